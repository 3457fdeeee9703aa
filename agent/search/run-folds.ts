import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FoldGrade, RunFolders } from '../evaluate/harness-protocol.ts';
import type { RunOutcome } from '../sandbox/sandbox.ts';
import type { RunContext, Task } from '../context.ts';
import { callHarness, throwIfStopped } from '../context.ts';
import { cleanText } from '../log.ts';
import { chooseRunsAtOnce, describeEnd, startRun } from './start-run.ts';
import { predictRest } from './predict-rest.ts';
import { makeRunPlace } from './run-place.ts';
import type { RunPlace } from './run-place.ts';
import { removeFolder } from '../remove-folder.ts';
import { forEachLimited } from '#core/concurrency.ts';

const MAX_LOG_CHARS = 512 * 1024;

/** A program to be run over all folds. */
export interface Program {
  readonly number: number;
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Nothing but the constant has a score yet. */
  readonly isFirstModel: boolean;
  /** Seconds that one run may take, if its share of the time left is longer; absent = that share. */
  readonly mostRunS?: number;
  /** Asked after each fold: why the others are not worth their time, or null. */
  readonly race?: (grade: FoldGrade) => string | null;
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
    await forEachLimited(task.folds.runs, chooseRunsAtOnce(run, task), work.runOne);
    const { final_run: final, refit_run: refit } = task.folds;
    if (work.failure() === null && final !== null) await work.runFinal(final);
    if (work.failure() === null && refit !== null) await work.runRefit(refit);
  } finally {
    await removeFolder(home);
  }
  return work.outcome();
}

function createWork(run: RunContext, task: Task, program: Program & { readonly home: string }) {
  const atOnce = chooseRunsAtOnce(run, task);
  const patience = program.isFirstModel ? FIRST_MODEL_PATIENCE : 1;
  const grades: FoldGrade[] = [];
  let failure: string | null = null;
  let trainS = 0;
  /** Folds run side by side: some have ended before they are graded. */
  let trained = 0;
  let begun = 0;
  /** When each run that is not over began. */
  const startsMs = new Map<string, number>();
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
    const shareS = shareTime();
    try {
      const outcome = await train(folders, place, Math.min(shareS, program.mostRunS ?? Infinity));
      if (outcome.exitClass === 'ok') await take(place.outDir);
      else if (outcome.exitClass === 'timeout' && shareS < (program.mostRunS ?? Infinity))
        fail(`${folders.run_id}: does not fit: it took more than its share of the time left, ${Math.floor(shareS)} s`);
      else fail(`${folders.run_id}: ${describeEnd(outcome)}`);
    } finally {
      await place.remove();
    }
  };
  const giveUp = (why: string): void => {
    failure ??= why;
  };
  /** Seconds that one of the runs still to come may take, so that all of them fit. */
  const shareTime = (): number => {
    const toCome = Math.max(1, Math.ceil((task.folds.runs.length - begun) / atOnce));
    const finals = begun < task.folds.runs.length && task.folds.final_run !== null ? FINAL_RUN_SHARE : 0;
    begun += 1;
    return (patience * run.deadline.workS()) / (toCome + finals);
  };
  const train = async (folders: RunFolders, place: RunPlace, mostS: number): Promise<RunOutcome> => {
    startsMs.set(folders.run_id, run.clock.monotonicMs());
    const outcome = await run.stopwatch.measure('train', () =>
      startRun(run, task, program.path, {
        place,
        seed: task.seed,
        onOutput: (chunk) => keepOutput(folders.run_id, chunk),
        timeoutMs: 1000 * mostS,
      }).finally(() => startsMs.delete(folders.run_id)),
    );
    throwIfStopped(run.signal);
    trainS += outcome.seconds;
    trained += 1;
    run.used.runSeconds += outcome.seconds;
    run.used.peakMemoryMib = Math.max(run.used.peakMemoryMib, outcome.peakMemoryMib);
    slowestS = Math.max(slowestS, outcome.seconds);
    return outcome;
  };
  /** Gives up when the runs still to come would not fit, judged by the mean of those done. */
  const checkFit = (): void => {
    const left = task.folds.runs.length - grades.length;
    const finalS = task.folds.final_run === null ? 0 : FINAL_RUN_SHARE * slowestS;
    const meanS = trainS / Math.max(1, trained);
    const beside = [...startsMs.values()].map((startMs) => (run.clock.monotonicMs() - startMs) / 1000);
    const restS = predictRest({ meanS, toCome: task.folds.runs.length - begun, beside, atOnce });
    const neededS = restS * MARGIN + finalS;
    const leftS = run.deadline.workS();
    if (left > 0 && neededS > leftS * patience) {
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
        const lost = program.race?.(grade) ?? null;
        if (lost !== null) giveUp(lost);
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
