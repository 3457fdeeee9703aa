import type { Kaggle, Competition } from '#core/kaggle.ts';
import type { JobSpec } from '#core/job-spec.ts';
import type { ResourcesUsed } from '#core/job.ts';
import type { ArtifactStore, Clock } from '#core/ports.ts';
import type { CutReply, HarnessMethod } from './evaluate/harness-protocol.ts';
import type { Deadline } from './deadline.ts';
import type { FixedTask, JournalState } from './journal/replay.ts';
import type { LanguageModel } from '#core/language-model.ts';
import type { ModelTable } from './budget/prices.ts';
import type { HarnessParams, HarnessPort, HarnessResult } from './harness-port.ts';
import type { Journal } from './journal/journal.ts';
import type { JobLog } from './log.ts';
import type { Recipe } from './search/recipes.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import type { Steering } from './steering.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Voice } from './voice.ts';
import { EXIT } from '#core/job-spec.ts';
import { HarnessFailure } from './harness-port.ts';
import { badInput, RunEnds, stopped } from './errors.ts';

/** Everything that the phases of one attempt work with. */
export interface RunContext {
  readonly spec: JobSpec;
  readonly store: ArtifactStore;
  readonly kaggle: Kaggle;
  readonly harness: HarnessPort;
  readonly sandbox: Sandbox;
  readonly recipes: readonly Recipe[];
  readonly journal: Journal;
  /** What earlier attempts left. */
  readonly earlier: JournalState;
  readonly steering: Steering;
  readonly voice: Voice;
  readonly log: JobLog;
  readonly clock: Clock;
  readonly deadline: Deadline;
  readonly stopwatch: Stopwatch;
  /** Of the runs so far; grows. */
  readonly used: ResourcesUsed;
  /** Aborted by SIGTERM, or when another process has taken this attempt over. */
  readonly signal: AbortSignal;
  /** This attempt's own folder. */
  readonly workDir: string;
  /** Where the files of runs are put while they run; null = in `workDir`. Never anything but one run's own. */
  readonly runsDir: string | null;
  /** What the folders of all runs may take together; null = half of what is free. */
  readonly stagingMib: number | null;
  /** Downloaded data, kept between attempts and jobs of one machine. */
  readonly cacheDir: string;
  readonly threads: number;
  /** How many ideas Claude works on at a time; one program trains at a time all the same. */
  readonly workers: number;
  /** How many folds are cut; null = as the task and the time limit have it. */
  readonly foldCount: number | null;
  /** How many folds run at a time, at most; each gets its share of the threads. */
  readonly foldsAtOnce: number;
  /** Who is asked for ideas and programs; null = built-in recipes only. */
  readonly model: { readonly client: LanguageModel; readonly table: ModelTable } | null;
  readonly versions: Record<string, string>;
  /** Lines for people, kept with the result. */
  readonly notes: string[];
}

/** The task once it is fixed: nothing of it changes any more. */
export interface Task extends FixedTask {
  readonly competition: Competition;
  /** The texts of its pages: hostile, cut. */
  readonly description: string;
  readonly dataDir: string;
  readonly folds: CutReply;
}

/** One call of the harness, bounded by the attempt's time and ended by its signal. Bad files of the competition become exit 64. */
export async function callHarness<M extends HarnessMethod>(
  run: RunContext,
  method: M,
  params: HarnessParams<M>,
): Promise<HarnessResult<M>> {
  const timeoutMs = Math.max(5_000, run.deadline.remainingS() * 1000);
  try {
    return await untilAborted(run.signal, run.harness.call(method, params, { timeoutMs }));
  } catch (error) {
    if (error instanceof HarnessFailure && error.kind === 'bad-input') throw badInput(error.message, error);
    throw error;
  }
}

/** Resolves with the promise, or throws `stopped` as soon as the signal is aborted. */
export async function untilAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  throwIfStopped(signal);
  let onAbort: (() => void) | null = null;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(stopped());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort !== null) signal.removeEventListener('abort', onAbort);
  }
}

/** Throws `stopped` when the attempt is being ended. */
export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw stopped();
}

/** True for errors that end the attempt whatever has been reached: stopped by a signal. */
export function isStop(error: unknown): boolean {
  return error instanceof RunEnds && error.exitCode === EXIT.stopped;
}
