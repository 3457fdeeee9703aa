import type { ExecutionContext } from 'ava';
import type { JobRunner, RunObservation, RunOrder } from '#core/ports.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

/** What a toy program does; each implementation's harness knows how to run it. */
export type ToyAgent =
  | { readonly does: 'exit'; readonly code: number }
  | { readonly does: 'work-until-stopped' }
  | { readonly does: 'save-when-stopped' }
  | { readonly does: 'finish-when-stopped' }
  | { readonly does: 'ignore-stop' }
  | { readonly does: 'hog-memory' }
  | { readonly does: 'leave-process-behind'; readonly code: number };

/** One cluster under test. */
export interface JobRunnerHarness {
  readonly runner: JobRunner;
  /** An order, under a name of its own, whose run is the toy program. */
  makeOrder(agent: ToyAgent, limits?: { readonly memoryMib?: number; readonly activeDeadlineS?: number }): RunOrder;
  /** Resolves when the program of a running run has said that it is ready to be stopped. */
  waitReady(run: RunObservation): Promise<void>;
  /** How many processes or pods of the run live at this moment, whatever the runner says. */
  countLiving(jobName: string): Promise<number>;
  /** How long anything may take here. */
  readonly patienceMs: number;
}

/** Sets one cluster up for one test. */
export type SetUp = (t: ExecutionContext) => Promise<JobRunnerHarness>;

/** Waits until the run is as wanted. */
export function waitFor(harness: JobRunnerHarness, jobName: string, wanted: (run: RunObservation) => boolean): Promise<RunObservation> {
  const ask = async () => {
    const run = await harness.runner.observe(jobName);
    return run !== null && wanted(run) ? run : null;
  };
  return waitUntil(`the wanted state of ${jobName}`, ask, harness.patienceMs);
}

/** Its end is decided, and nothing of it lives. */
export const isFinished = (run: RunObservation) => (run.phase === 'succeeded' || run.phase === 'failed') && !run.alive;

export const isRunning = (run: RunObservation) => run.phase === 'running' && run.alive;

/** Waits until the runner knows nothing of the run. */
export async function waitGone(harness: JobRunnerHarness, jobName: string): Promise<void> {
  await waitUntil(`${jobName} to be gone`, async () => (await harness.runner.observe(jobName)) === null, harness.patienceMs);
}
