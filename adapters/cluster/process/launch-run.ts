import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { JobSpec } from '#core/job-spec.ts';
import { RunnerError } from '#core/ports.ts';
import type { Logger, RunObservation, RunOrder } from '#core/ports.ts';
import { RUN_UID_VARIABLE } from './members.ts';
import { RUN_FILES, createFileOnce, replaceFile } from './run-files.ts';
import type { Launch } from './run-files.ts';
import { isRunName, readAgeMs, readRun, readText, toObservation } from './run-records.ts';
import type { OrderRecord, RunRecord } from './run-records.ts';
import { SupervisorStarter } from './start-supervisor.ts';

/** A run left without a supervisor for this long has lost the one that was being started. */
const RESUME_AFTER_MS = 5000;
const CREATE_TRIES = 5;

/** Where a run lives. `workDir` is its working directory; all of it goes when the run is forgotten. */
export interface RunPlace {
  readonly uid: string;
  readonly workDir: string;
  /** The order's spec as JSON. */
  readonly specFile: string;
  readonly tokenFile: string;
}

/** What to start. `env` is all that the program sees, besides KAGGLE_AGENT_TOKEN_FILE and KAGGLE_AGENT_RUN_UID, which the runner adds. */
export interface RunCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface LauncherOptions {
  readonly dir: string;
  readonly signalDir: string;
  readonly command: (order: RunOrder, place: RunPlace) => RunCommand;
  readonly limits: { readonly agentMemoryMib: number; readonly outputBytes: number };
  readonly graceMs: number;
  readonly logger: Logger;
  /** Called when a supervisor that we started has ended, however it did. */
  readonly onSupervisorEnd: (jobName: string) => void;
}

/** Creates runs and starts their supervisors; a crash at any point is repaired by calling `create` again, or by `resume`. */
export class RunLauncher {
  readonly #options: LauncherOptions;
  readonly #supervisors: SupervisorStarter;
  readonly #starting = new Map<string, Promise<void>>();
  readonly #children = new Map<string, ChildProcess>();
  #isClosed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#supervisors = new SupervisorStarter(join(options.dir, '.supervisors'));
  }

  /** Makes the first run start as fast as the others. */
  warm(): void {
    this.#supervisors.warm();
  }

  /** See `JobRunner.create`. Resolves as soon as the supervisor's process exists. */
  async create(order: RunOrder): Promise<RunObservation> {
    if (!isRunName(order.jobName)) throw new RunnerError('refused', `"${order.jobName}" is no name for a run: expected a DNS label`);
    const spec = JobSpec.safeParse(order.spec);
    if (!spec.success) throw new RunnerError('refused', `the spec of ${order.jobName} is not one of ours: ${spec.error.message}`);
    try {
      const run = await this.#createOrder(order);
      if (run.state === null && !run.deleteRequested) await this.#startOnce(run, order, spec.data);
      return toObservation((await readRun(this.#options.dir, order.jobName)) ?? run);
    } catch (error) {
      if (error instanceof RunnerError) throw error;
      throw new RunnerError('busy', `the machine could not take ${order.jobName}: ${describeError(error)}`, null, error);
    }
  }

  /** Starts a run whose creator died before its supervisor had taken it; all that is needed lies in its folder. Does nothing too early. */
  async resume(run: RunRecord): Promise<void> {
    const { order, folder } = run;
    const ageMs = await readAgeMs(join(folder, RUN_FILES.token));
    if (this.#isClosed || run.deleteRequested || ageMs === null || ageMs < RESUME_AFTER_MS) return;
    const token = await readText(join(folder, RUN_FILES.token));
    const spec = JobSpec.safeParse(order.spec);
    if (token === null || !spec.success) return;
    this.#options.logger.warn({ jobName: order.jobName }, 'a run was created but not started; starting it');
    await this.#startOnce(run, { ...order, spec: order.spec, token }, spec.data);
  }

  /** Starts nothing more, and waits for what is being started. The supervisors live on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#starting.values());
    await this.#supervisors.close();
  }

  /** Resolves when every supervisor that we started has ended: one writes for a moment after it has recorded its run's end. */
  async waitForSupervisors(): Promise<void> {
    await Promise.allSettled(this.#starting.values());
    await Promise.all(Array.from(this.#children.values(), (child) => once(child, 'exit')));
  }

  /** The name's order: ours, or an earlier one that asked for the same. */
  async #createOrder(order: RunOrder): Promise<RunRecord> {
    const { dir } = this.#options;
    const folder = join(dir, order.jobName);
    for (let tries = 0; tries < CREATE_TRIES; tries += 1) {
      await mkdir(join(folder, RUN_FILES.work), { recursive: true, mode: 0o700 });
      const existing = await readRun(dir, order.jobName);
      if (existing !== null) return verifyOrder(existing, order);
      const { jobName, jobId, attempt, specHash, spec } = order;
      const record: OrderRecord = {
        schemaVersion: 1,
        uid: randomUUID(),
        jobName,
        jobId,
        attempt,
        specHash,
        spec,
        createdAt: new Date().toISOString(),
      };
      try {
        createFileOnce(join(folder, RUN_FILES.order), JSON.stringify(record));
      } catch (error) {
        // The folder was swept between two steps.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    }
    throw new RunnerError('busy', `the run ${order.jobName} is being deleted; try again`, 1000);
  }

  /** One start at a time per run in this process; between processes, supervisors settle it by the lock. */
  async #startOnce(run: RunRecord, order: RunOrder, spec: JobSpec): Promise<void> {
    const { uid } = run.order;
    if (this.#children.has(uid)) return;
    const pending = this.#starting.get(uid) ?? this.#start(run, order, spec);
    this.#starting.set(uid, pending);
    try {
      await pending;
    } finally {
      this.#starting.delete(uid);
    }
  }

  async #start(run: RunRecord, order: RunOrder, spec: JobSpec): Promise<void> {
    const { folder } = run;
    const tokenFile = join(folder, RUN_FILES.token);
    const specFile = join(folder, RUN_FILES.spec);
    const place = { uid: run.order.uid, workDir: join(folder, RUN_FILES.work), specFile, tokenFile };
    // Another creator's program may be reading it already.
    createFileOnce(specFile, JSON.stringify(order.spec));
    replaceFile(tokenFile, order.token);
    const child = await this.#supervisors.start(this.#buildLaunch(order, place, spec));
    this.#children.set(run.order.uid, child);
    child.once('exit', () => {
      this.#children.delete(run.order.uid);
      this.#options.onSupervisorEnd(order.jobName);
    });
  }

  #buildLaunch(order: RunOrder, place: RunPlace, spec: JobSpec): Launch {
    const { dir, command, limits, graceMs, signalDir } = this.#options;
    const { file, args, env } = command(order, place);
    return {
      schemaVersion: 1,
      uid: place.uid,
      folder: join(dir, order.jobName),
      file,
      args,
      env: { ...env, KAGGLE_AGENT_TOKEN_FILE: place.tokenFile, [RUN_UID_VARIABLE]: place.uid },
      memoryMib: spec.resources.memoryMib + limits.agentMemoryMib,
      deadlineMs: spec.activeDeadlineS * 1000,
      graceMs,
      outputBytes: limits.outputBytes,
      signalFile: join(signalDir, order.jobName),
    };
  }
}

function verifyOrder(existing: RunRecord, order: RunOrder): RunRecord {
  const { jobId, attempt, specHash } = existing.order;
  if (jobId === order.jobId && attempt === order.attempt && specHash === order.specHash) return existing;
  const message = `the name ${order.jobName} is taken by attempt ${attempt} of job ${jobId} (spec ${specHash}); delete that run first`;
  throw new RunnerError('mismatch', message);
}

function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
