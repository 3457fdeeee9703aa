import { mkdirSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { PlainEvent } from '#core/events.ts';
import { RunnerError } from '#core/ports.ts';
import type { JobRunner, Logger, RunObservation, RunOrder } from '#core/ports.ts';
import { describeMachine } from './describe-machine.ts';
import { RunLauncher } from './launch-run.ts';
import type { RunCommand, RunPlace } from './launch-run.ts';
import { isAlive, sendSignal } from './proc.ts';
import { RUN_FILES } from './run-files.ts';
import { isRunName, readRun, toObservation } from './run-records.ts';
import type { RunRecord } from './run-records.ts';
import { endUnstarted, forgetRun, settleRun } from './settle.ts';
import { sweepRuns } from './sweep.ts';
import { RunWatcher } from './watch-runs.ts';

const DEFAULT_TTL_MS = 3_600_000;
const READ_CONCURRENCY = 32;

/** How the processes of this machine serve as a cluster. */
export interface ProcessRunnerOptions {
  /** Where the runs live, each in a folder of its own; all of it belongs to this runner, and survives it. */
  readonly dir: string;
  /** What to run for an order: nothing is inherited from this process's environment. */
  readonly command: (order: RunOrder, place: RunPlace) => RunCommand;
  /** `agentMemoryMib` is added to the memory in the order's spec: what the agent itself needs. */
  readonly limits: { readonly agentMemoryMib: number; readonly outputBytes: number };
  /** Between asking a program to end and killing it. */
  readonly graceMs: number;
  /** How long a recorded run is remembered. */
  readonly ttlMs?: number;
  /** Told of every run that appeared, changed or went, as a hint like ApiServerSource's. */
  readonly onChange: (event: PlainEvent) => void;
  readonly logger: Logger;
}

/**
 * A job runner on one machine. `close` stops watching and waits for what is under way; the runs go on without us. `waitForSupervisors`
 * resolves when no process that we started writes any more: for those who have removed all runs.
 */
export type ProcessRunner = JobRunner & { close(): Promise<void>; waitForSupervisors(): Promise<void> };

/**
 * Runs attempts as processes of this machine, each under a small supervisor that outlives this process. All that is known of a run lies in
 * its folder, so any number of runners may use one directory, after each other or at once. Throws when `dir` can't be made.
 */
export function createProcessRunner(options: ProcessRunnerOptions): ProcessRunner {
  const dir = resolve(options.dir);
  const signalDir = join(dir, '.signals');
  mkdirSync(signalDir, { recursive: true, mode: 0o700 });
  const launcher = new RunLauncher({ ...options, dir, signalDir, onSupervisorEnd: (jobName) => void watcher.look(jobName) });
  const observe = (jobName: string) => observeRun(dir, launcher, jobName);
  const watcher = new RunWatcher({ observe, onChange: options.onChange, logger: options.logger });
  watcher.start(signalDir);
  // Like an informer's first list: what changed while nobody watched is said again.
  const ready = lookAtAll(dir, watcher);
  launcher.warm();
  return {
    create: async (order) => {
      const observation = await launcher.create(order);
      void watcher.look(order.jobName);
      return observation;
    },
    observe,
    list: async ({ cursor, limit }) => {
      if (cursor === null) await sweepRuns({ dir, ttlMs: options.ttlMs ?? DEFAULT_TTL_MS, logger: options.logger });
      const names = (await listRunNames(dir)).filter((name) => cursor === null || name > cursor);
      const page = names.slice(0, limit);
      const items = (await mapInTurn(page, (name) => observeReadable(observe, name, options.logger))).filter((item) => item !== null);
      return { items, cursor: names.length > page.length ? (page.at(-1) ?? null) : null };
    },
    remove: async ({ jobName, uid }) => {
      await removeRun(dir, jobName, uid);
      void watcher.look(jobName);
    },
    markRecorded: async ({ jobName, uid }) => {
      const run = isRunName(jobName) ? await readRun(dir, jobName) : null;
      if (run?.order.uid === uid) await writeMarker(run, RUN_FILES.recorded);
    },
    describeNodes: () => Promise.resolve([describeMachine()]),
    waitForSupervisors: () => launcher.waitForSupervisors(),
    close: async () => {
      await Promise.all([ready, launcher.close(), watcher.close()]);
    },
  };
}

/** Reads a run, repairs what a crash has left half done, and forgets it once its deletion is complete. */
async function observeRun(dir: string, launcher: RunLauncher, jobName: string): Promise<RunObservation | null> {
  const read = isRunName(jobName) ? await readRun(dir, jobName) : null;
  const run = read === null ? null : await settleRun(dir, read);
  if (run === null) return null;
  if (run.deleteRequested && run.state === null && !endUnstarted(run)) return toObservation(run);
  const ended = run.state === null ? run.deleteRequested : run.state !== 'unreadable' && run.state.phase === 'ended';
  if (run.deleteRequested && ended) {
    await forgetRun(dir, run.folder);
    return null;
  }
  if (run.state === null) await launcher.resume(run);
  return toObservation(run);
}

async function removeRun(dir: string, jobName: string, uid: string): Promise<void> {
  const run = isRunName(jobName) ? await readRun(dir, jobName) : null;
  if (run === null || run.order.uid !== uid) return;
  if (!(await writeMarker(run, RUN_FILES.deleteRequested))) return;
  // Without a supervisor there is nobody to tell: the next look finishes it. A supervisor also looks at the marker by itself.
  const supervisor = run.state === null || run.state === 'unreadable' || run.state.phase === 'ended' ? null : run.state.supervisor;
  if (supervisor !== null && isAlive(supervisor)) sendSignal(supervisor.pid, 'SIGTERM');
}

/** False when the run has gone meanwhile. */
async function writeMarker(run: RunRecord, name: string): Promise<boolean> {
  try {
    await writeFile(join(run.folder, name), '', { flag: 'a', mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw new RunnerError('busy', `the run ${run.order.jobName} could not be marked: ${String(error)}`, null, error);
  }
}

async function listRunNames(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter(isRunName).sort();
}

async function lookAtAll(dir: string, watcher: RunWatcher): Promise<void> {
  await mapInTurn(await listRunNames(dir), (name) => watcher.look(name));
}

/** One damaged folder must not hide the others. */
async function observeReadable(observe: ProcessRunner['observe'], jobName: string, logger: Logger): Promise<RunObservation | null> {
  try {
    return await observe(jobName);
  } catch (error) {
    logger.error({ jobName, error: String(error) }, `the folder of run ${jobName} is damaged; look at it and delete it`);
    return null;
  }
}

/** Maps with a bounded number of calls under way. */
async function mapInTurn<In, Out>(items: readonly In[], map: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  for (let start = 0; start < items.length; start += READ_CONCURRENCY) {
    results.push(...(await Promise.all(items.slice(start, start + READ_CONCURRENCY).map(map))));
  }
  return results;
}
