import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoldGrade, RunFolders } from '../evaluate/harness-protocol.ts';
import type { ExitClass, RunOutcome } from '../sandbox/sandbox.ts';
import type { RunContext, Task } from '../context.ts';
import { callHarness, throwIfStopped } from '../context.ts';
import { cleanText } from '../log.ts';
import { makeRunPlace } from './run-place.ts';
import type { RunPlace } from './run-place.ts';
import { removeFolder } from '../remove-folder.ts';
import { forEachLimited } from '#core/concurrency.ts';

const MAX_LOG_CHARS = 512 * 1024;
const MAX_SHARED_BYTES = 256 * 1024 * 1024;

/** A program to be run over all folds. */
export interface Program {
  readonly number: number;
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Nothing but the constant has a score yet. */
  readonly isFirstModel: boolean;
}

/** What the folds of one program came to; `failure` = one line, and nothing of it counts. `trainS` = seconds of its runs. */
export interface FoldsOutcome {
  readonly grades: readonly FoldGrade[];
  readonly failure: string | null;
  readonly slowestFoldS: number;
  readonly trainS: number;
  /** Output of all runs, cut: hostile text, cleaned. */
  readonly log: string;
}

/** What a program may answer with (solution contract, section 1). */
const ANSWERS = ['scores.csv', 'predictions.csv'];
const MIN_TIMEOUT_MS = 1_000;
/** What grading and files cost besides the runs, as a share of the runs. */
const MARGIN = 1.15;
/** A run over all labelled rows, against the slowest fold (solution contract, section 3). */
const FINAL_RUN_SHARE = 1.5;
/**
 * How far beyond the time left a prediction may be while there is no model yet: the first fold also pays for cold files and a busy moment, and
 * giving up leaves the constant, since what comes next is dearer.
 */
const FIRST_MODEL_PATIENCE = 2;

/**
 * Runs a program once per fold in fresh processes, grades each output, and runs it once more over all labelled rows: for the test rows where
 * folds do not answer them, or as a refit that may replace the mean of their answers (solution contract, section 3). After each fold the
 * rest is predicted: a program that does not fit before the finalization reserve is given up at once.
 */
export async function runFolds(run: RunContext, task: Task, program: Program): Promise<FoldsOutcome> {
  const home = join(run.workDir, 'runs', `s${program.number}`);
  await mkdir(home, { recursive: true });
  const work = createWork(run, task, { ...program, home });
  try {
    await forEachLimited(task.folds.runs, chooseFoldsAtOnce(run, task), work.runOne);
    const { final_run: final, refit_run: refit } = task.folds;
    if (work.failure() === null && final !== null) await work.runFinal(final);
    if (work.failure() === null && refit !== null) await work.runRefit(refit);
  } finally {
    await removeFolder(home);
  }
  return work.outcome();
}

/**
 * Two folds with one thread each took half the processor time of one fold with two threads (measured on two cores), so folds share the
 * threads; large data go one at a time, since each run holds its own copy. So do runs on a volume of their own that nothing keeps from
 * reading each other: then the volume holds one run's files.
 */
function chooseFoldsAtOnce(run: RunContext, task: Task): number {
  const bytes = task.data.reduce((sum, file) => sum + file.bytes, 0);
  const strangers = run.runsDir === null || run.sandbox.tier === 'isolated';
  return bytes > MAX_SHARED_BYTES || !strangers ? 1 : Math.min(run.foldsAtOnce, run.threads);
}

function createWork(run: RunContext, task: Task, program: Program & { readonly home: string }) {
  const atOnce = chooseFoldsAtOnce(run, task);
  // The same for every run of a solution, the final one too (solution contract, section 1).
  const threads = Math.max(1, Math.floor(run.threads / atOnce));
  const grades: FoldGrade[] = [];
  let failure: string | null = null;
  let trainS = 0;
  let slowestS = 0;
  const logText: string[] = [];
  let logChars = 0;
  const keepOutput = (runId: string, chunk: string): void => {
    run.log.output(`solution ${program.number} ${runId}`, chunk);
    if (logChars > MAX_LOG_CHARS) return;
    const lines = chunk
      .split('\n')
      .map((line) => cleanText(line))
      .join('\n');
    logChars += lines.length;
    logText.push(lines);
  };

  /** Runs in a place of its own, gives the output to `take` or the reason for none to `fail`, and removes the place. */
  const execute = async (folders: RunFolders, take: (outDir: string) => Promise<void>, fail = giveUp): Promise<void> => {
    throwIfStopped(run.signal);
    const place = await makeRunPlace({ homeDir: program.home, runsDir: run.runsDir, folders, params: program.params });
    try {
      const outcome = await train(folders, place);
      if (outcome.exitClass === 'ok') await take(place.outDir);
      else fail(`${folders.run_id}: ${describeOutcome(outcome)}`);
    } finally {
      await place.remove();
    }
  };
  const giveUp = (why: string): void => {
    failure ??= why;
  };
  const train = async (folders: RunFolders, place: RunPlace): Promise<RunOutcome> => {
    const outcome = await run.stopwatch.measure('train', () =>
      startRun(run, task, program, { folders, place, threads, atOnce, keepOutput }),
    );
    throwIfStopped(run.signal);
    trainS += outcome.seconds;
    run.used.runSeconds += outcome.seconds;
    run.used.peakMemoryMib = Math.max(run.used.peakMemoryMib, outcome.peakMemoryMib);
    slowestS = Math.max(slowestS, outcome.seconds);
    return outcome;
  };
  /** Gives up when the runs still to come would not fit, judged by the mean of those done. */
  const checkFit = (): void => {
    const left = task.folds.runs.length - grades.length;
    const finalS = task.folds.final_run === null ? 0 : FINAL_RUN_SHARE * slowestS;
    const meanS = trainS / Math.max(1, grades.length);
    const neededS = meanS * Math.ceil(left / atOnce) * MARGIN + finalS;
    const leftS = run.deadline.workS();
    if (left > 0 && neededS > leftS * (program.isFirstModel ? FIRST_MODEL_PATIENCE : 1)) {
      failure ??= `does not fit: needs about ${Math.ceil(neededS)} s more, ${Math.max(0, Math.floor(leftS))} s are left`;
    }
  };
  return {
    failure: () => failure,
    async runOne(folders: RunFolders): Promise<void> {
      if (failure !== null) return;
      await execute(folders, async (outDir) => {
        const params = { solution: program.number, run_id: folders.run_id, out_dir: outDir };
        const grade = await run.stopwatch.measure('grade', () => callHarness(run, 'grade_fold', params));
        grades.push(grade);
        if (grade.failure !== null) giveUp(`${folders.run_id}: ${grade.failure}`);
        checkFit();
        run.voice.update({ message: `solution ${program.number}: ${grades.length} of ${task.folds.runs.length} folds` });
      });
    },
    async runFinal(folders: RunFolders): Promise<void> {
      await execute(folders, async (outDir) => {
        const params = { solution: program.number, out_dir: outDir };
        const reply = await run.stopwatch.measure('grade', () => callHarness(run, 'take_final', params));
        if (reply.failure !== null) giveUp(`final run: ${reply.failure}`);
      });
    },
    /** A refit that does not fit, fails or disagrees takes nothing away: the mean of the folds stays. */
    async runRefit(folders: RunFolders): Promise<void> {
      const keepMean = (why: string) => run.log.info(`solution ${program.number}: the mean of the folds stays: ${why}`);
      if (FINAL_RUN_SHARE * slowestS > run.deadline.workS()) return keepMean('no time for a refit on all rows');
      const take = async (outDir: string): Promise<void> => {
        const params = { solution: program.number, out_dir: outDir };
        const reply = await run.stopwatch.measure('grade', () => callHarness(run, 'take_refit', params));
        if (!reply.adopted) keepMean(reply.detail);
      };
      await execute(folders, take, keepMean);
    },
    outcome: (): FoldsOutcome => ({
      grades,
      failure,
      slowestFoldS: slowestS,
      log: logText.join(''),
      trainS: Math.round(trainS * 1000) / 1000,
    }),
  };
}

async function startRun(
  run: RunContext,
  task: Task,
  program: Program,
  given: {
    readonly folders: RunFolders;
    readonly place: RunPlace;
    readonly threads: number;
    readonly atOnce: number;
    readonly keepOutput: (runId: string, chunk: string) => void;
  },
): Promise<RunOutcome> {
  const { place } = given;
  return run.sandbox.run({
    program: program.path,
    trainDir: place.trainDir,
    predictDir: place.predictDir,
    outDir: place.outDir,
    scratchDir: place.scratchDir,
    paramsFile: place.paramsFile,
    answers: ANSWERS,
    seed: task.seed,
    threads: given.threads,
    timeoutMs: Math.max(MIN_TIMEOUT_MS, run.deadline.workS() * 1000),
    // Limits are twice the request; what runs at a time shares them, and the orchestrator needs some itself.
    memoryMib: Math.floor((1.5 * run.spec.resources.memoryMib) / given.atOnce),
    onOutput: (chunk) => given.keepOutput(given.folders.run_id, chunk),
    signal: run.signal,
  });
}

const WORDS: Readonly<Record<ExitClass, string>> = {
  ok: 'ended well',
  syntax: 'the program has a syntax error',
  import: 'the program needs a package that is not here',
  data: 'the program could not read the data',
  contract: 'the program did not answer as it has to',
  timeout: 'ran out of time',
  oom: 'ran out of memory',
  disk: 'wrote more than it may',
  killed: 'was killed',
  blocked: 'the program tried what it may not do',
  stopped: 'was stopped',
  crashed: 'the program failed',
};

function describeOutcome(outcome: RunOutcome): string {
  const last = outcome.tail.trim().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
  return `${WORDS[outcome.exitClass]}${outcome.frame === null ? '' : `, ${outcome.frame}`}${last === '' ? '' : ` (${last})`}`;
}

/** Takes write permission from the run folders: programs only read them. */
export async function protectFolders(folders: readonly RunFolders[]): Promise<void> {
  for (const { train_dir: train, predict_dir: predict } of folders) {
    for (const dir of [train, predict]) {
      for (const name of await readdir(dir, { recursive: true, withFileTypes: true })) {
        if (name.isFile()) await chmod(join(name.parentPath, name.name), 0o444);
      }
      await chmod(dir, 0o555);
    }
  }
}
