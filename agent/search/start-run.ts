import type { ExitClass, RunOutcome } from '../sandbox/sandbox.ts';
import type { RunContext, Task } from '../context.ts';
import type { RunPlace } from './run-place.ts';

/** What a program may answer with (solution contract, section 1). */
const ANSWERS = ['scores.csv', 'predictions.csv'];
const MIN_TIMEOUT_MS = 1_000;
const MAX_SHARED_BYTES = 256 * 1024 * 1024;

/**
 * Two folds with one thread each took half the processor time of one fold with two threads (measured on two cores), so folds share the
 * threads; large data go one at a time, since each run holds its own copy. So do runs on a volume of their own that nothing keeps from
 * reading each other: then the volume holds one run's files.
 */
export function chooseRunsAtOnce(run: RunContext, task: Task): number {
  const bytes = task.data.reduce((sum, file) => sum + file.bytes, 0);
  const strangers = run.runsDir === null || run.sandbox.tier === 'isolated';
  return bytes > MAX_SHARED_BYTES || !strangers ? 1 : Math.min(run.foldsAtOnce, run.threads);
}

/** One run of a program in its place, with the same share of threads and memory as every other run of this task. Never longer than the work's time. */
export async function startRun(
  run: RunContext,
  task: Task,
  program: string,
  given: {
    readonly place: RunPlace;
    readonly seed: number;
    readonly onOutput: (chunk: string) => void;
    readonly timeoutMs?: number;
    readonly coldStart?: boolean;
  },
): Promise<RunOutcome> {
  const { place, seed, onOutput, timeoutMs = Infinity, coldStart = false } = given;
  const atOnce = chooseRunsAtOnce(run, task);
  return run.sandbox.run({
    program,
    trainDir: place.trainDir,
    predictDir: place.predictDir,
    outDir: place.outDir,
    scratchDir: place.scratchDir,
    paramsFile: place.paramsFile,
    answers: ANSWERS,
    seed,
    // The same for every run of a solution, the final one too (solution contract, section 1).
    threads: Math.max(1, Math.floor(run.threads / atOnce)),
    timeoutMs: Math.max(MIN_TIMEOUT_MS, Math.min(timeoutMs, run.deadline.workS() * 1000)),
    // Limits are twice the request; what runs at a time shares them, and the orchestrator needs some itself.
    memoryMib: Math.floor((1.5 * run.spec.resources.memoryMib) / atOnce),
    coldStart,
    onOutput,
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

/** An end as one line for people: what happened, where, and the last line of output. */
export function describeEnd(outcome: RunOutcome): string {
  const last = outcome.tail.trim().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
  return `${WORDS[outcome.exitClass]}${outcome.frame === null ? '' : `, ${outcome.frame}`}${last === '' ? '' : ` (${last})`}`;
}
