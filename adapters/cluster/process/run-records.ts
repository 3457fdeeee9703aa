import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { END_CAUSES, classifyExit } from '#core/exit-class.ts';
import type { RunObservation } from '#core/ports.ts';
import { RUN_FILES } from './run-files.ts';
import type { RunState } from './run-files.ts';

/** What was ordered: written once, and from then on the name's lock. Holds no secret. */
const OrderRecord = z.object({
  schemaVersion: z.literal(1),
  uid: z.uuid(),
  jobName: z.string(),
  jobId: z.string(),
  attempt: z.int(),
  specHash: z.string(),
  spec: z.unknown(),
  createdAt: z.iso.datetime(),
});
export type OrderRecord = z.infer<typeof OrderRecord>;

const Identity = z.object({ pid: z.int().positive(), startTicks: z.number(), bootId: z.string() });

const StateRecord: z.ZodType<RunState> = z.object({
  schemaVersion: z.literal(1),
  uid: z.uuid(),
  phase: z.enum(['starting', 'running', 'ended']),
  supervisor: Identity.nullable(),
  child: Identity.nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  cause: z.enum(END_CAUSES).nullable(),
  reason: z.string(),
  peakMemoryMib: z.number().nullable(),
  startedAt: z.iso.datetime().nullable(),
  finishedAt: z.iso.datetime().nullable(),
});

/** All that a run's folder says. */
export interface RunRecord {
  readonly folder: string;
  readonly order: OrderRecord;
  /** Null until a supervisor has taken the run; `unreadable` after a power cut has eaten the file. */
  readonly state: RunState | 'unreadable' | null;
  readonly deleteRequested: boolean;
  readonly recorded: boolean;
}

/** Names that a run may have: DNS labels, as in a cluster. Anything else in the directory is not a run. */
export function isRunName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}

/** Reads a run's folder; null when there is no such run. Throws on an order that is not ours. */
export async function readRun(dir: string, jobName: string): Promise<RunRecord | null> {
  const folder = join(dir, jobName);
  const orderFile = join(folder, RUN_FILES.order);
  for (;;) {
    const orderText = await readText(orderFile);
    if (orderText === null) return null;
    const [stateText, files] = await Promise.all([readText(join(folder, RUN_FILES.state)), listFiles(folder)]);
    // The run may have been forgotten, and its name used again, between two of these reads.
    if (orderText !== (await readText(orderFile))) continue;
    const order = OrderRecord.parse(JSON.parse(orderText));
    return {
      folder,
      order,
      state: stateText === null ? null : parseState(stateText, order.uid),
      deleteRequested: files.includes(RUN_FILES.deleteRequested),
      recorded: files.includes(RUN_FILES.recorded),
    };
  }
}

/** Milliseconds since the file was written, or null when there is none. */
export async function readAgeMs(path: string): Promise<number | null> {
  try {
    return Date.now() - (await stat(path)).mtimeMs;
  } catch {
    return null;
  }
}

/** Text of a file, or null when there is none. */
export async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** The run as the port speaks of it. */
export function toObservation(run: RunRecord): RunObservation {
  const { order } = run;
  const state = run.state === 'unreadable' ? null : run.state;
  const end = state?.phase === 'ended' ? classifyExit(state) : null;
  return {
    jobName: order.jobName,
    uid: order.uid,
    jobId: order.jobId,
    attempt: order.attempt,
    specHash: order.specHash,
    phase: end?.phase ?? (run.state === 'unreadable' || state?.phase === 'running' ? 'running' : 'waiting'),
    // An end is written only when nothing of the run lives; before that, a supervisor or what a dead one left behind does.
    alive: run.state !== null && end === null,
    deleting: run.deleteRequested,
    exitCode: state?.exitCode ?? null,
    failure: end?.failure ?? null,
    reason: describeRun(state),
    podName: order.jobName,
    startedAt: toDate(state?.startedAt ?? null),
    finishedAt: toDate(state?.finishedAt ?? null),
    recorded: run.recorded,
  };
}

function describeRun(state: RunState | null): string {
  if (state === null || state.phase === 'starting') return 'waiting: the process is being started';
  if (state.phase === 'running') return 'running';
  if (state.reason !== '') return state.reason;
  if (state.signal !== null) return `ended by ${state.signal}`;
  return `ended with exit code ${state.exitCode ?? 'unknown'}`;
}

function parseState(text: string, uid: string): RunState | 'unreadable' {
  try {
    const state = StateRecord.parse(JSON.parse(text));
    return state.uid === uid ? state : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

async function listFiles(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

function toDate(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
