import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { RunMembers } from './members.ts';
import { isAlive, readBootId } from './proc.ts';
import { RUN_FILES, createFileOnce, replaceFile } from './run-files.ts';
import type { RunState } from './run-files.ts';
import { readRun } from './run-records.ts';
import type { RunRecord } from './run-records.ts';

const KILL_ROUNDS = 25;
const KILL_PAUSE_MS = 20;
const LOST_REASON = 'lost: its supervisor died without leaving a record (killed from outside, or the machine restarted)';

/**
 * The run as it is now. If its supervisor died without a record, whatever is left of the run is killed first and then the end is written;
 * while something resists, the run is shown alive. Null when the run was forgotten meanwhile.
 */
export async function settleRun(dir: string, run: RunRecord): Promise<RunRecord | null> {
  if (!isAbandoned(run)) return run;
  // A supervisor's last act is writing the end: what it wrote before it was found dead counts.
  const again = await readRun(dir, run.order.jobName);
  if (again === null || again.order.uid !== run.order.uid || !isAbandoned(again)) return again;
  if (!(await killRemains(again))) return again;
  const lost = buildEnd(again, 'lost', LOST_REASON);
  replaceFile(join(again.folder, RUN_FILES.state), JSON.stringify(lost));
  return { ...again, state: lost };
}

/** Ends a run that no supervisor has taken: taking its lock here keeps any from starting it. False when one has. */
export function endUnstarted(run: RunRecord): boolean {
  const ended = buildEnd(run, 'stopped', 'stopped before it was started');
  return createFileOnce(join(run.folder, RUN_FILES.state), JSON.stringify(ended));
}

/** Removes the run's folder: first its name, at once, then its order, so that no late supervisor starts it, then the rest. */
export async function forgetRun(dir: string, folder: string): Promise<void> {
  const trash = join(dir, '.trash');
  const target = join(trash, randomUUID());
  await mkdir(trash, { recursive: true, mode: 0o700 });
  try {
    await rename(folder, target);
    await rm(join(target, RUN_FILES.order), { force: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  // A late supervisor may still be trying its lock there; what can't be removed now goes with the next sweep.
  await rm(target, { recursive: true, force: true }).catch(() => undefined);
}

function isAbandoned(run: RunRecord): boolean {
  if (run.state === 'unreadable') return true;
  if (run.state === null || run.state.phase === 'ended') return false;
  return run.state.supervisor === null || !isAlive(run.state.supervisor);
}

/** True when nothing of the run lives any more, seen twice in a row: a process may have been between fork and exec. */
async function killRemains(run: RunRecord): Promise<boolean> {
  const child = run.state === 'unreadable' ? null : (run.state?.child ?? null);
  const members = new RunMembers(run.order.uid, child?.bootId === readBootId() ? child : null);
  let cleanRounds = 0;
  for (let round = 0; round < KILL_ROUNDS; round += 1) {
    cleanRounds = members.killAll() ? cleanRounds + 1 : 0;
    if (cleanRounds === 2) return true;
    await pause(KILL_PAUSE_MS);
  }
  return false;
}

function buildEnd(run: RunRecord, cause: 'lost' | 'stopped', reason: string): RunState {
  const known = run.state === 'unreadable' ? null : run.state;
  return {
    schemaVersion: 1,
    uid: run.order.uid,
    phase: 'ended',
    supervisor: known?.supervisor ?? null,
    child: known?.child ?? null,
    exitCode: null,
    signal: null,
    cause,
    reason,
    peakMemoryMib: null,
    startedAt: known?.startedAt ?? null,
    finishedAt: new Date().toISOString(),
  };
}
