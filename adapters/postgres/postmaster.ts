import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readCommandLine, readStartTicks } from './process-identity.ts';

/** A running server process, as its own `postmaster.pid` and the kernel describe it. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  readonly isReady: boolean;
}

const pidFile = (dataDir: string) => join(dataDir, 'postmaster.pid');

/**
 * Reads `postmaster.pid` and checks that the process lives and is a Postgres started on exactly this data directory. Its command line says
 * so more surely than a start time would: a clock that was set meanwhile cannot make a living server look dead. Null when none runs.
 */
export function findPostmaster(dataDir: string): Postmaster | null {
  let lines: string[];
  try {
    lines = readFileSync(pidFile(dataDir), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || readStartTicks(pid) === null) return null;
  const commandLine = readCommandLine(pid);
  const isOurs = (commandLine[0] ?? '').endsWith('postgres') && commandLine[commandLine.indexOf('-D') + 1] === dataDir;
  return isOurs ? { pid, port: Number(lines[3] ?? 0), isReady: (lines[7] ?? '').trim() === 'ready' } : null;
}

/** Removes the pid file of a server that no longer runs: Postgres itself refuses to start when another program has got its old pid. */
export function removeStalePidFile(dataDir: string): void {
  if (findPostmaster(dataDir) === null) rmSync(pidFile(dataDir), { force: true });
}

/** Waits until the server takes connections. Resolves with null when it ended instead, or when the time is over. */
export async function waitUntilReady(dataDir: string, hasEnded: () => boolean, timeoutMs: number): Promise<Postmaster | null> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    const found = findPostmaster(dataDir);
    if (found?.isReady === true) return found;
    if (hasEnded()) return null;
    await wait(10);
  }
  return null;
}

/** Fast shutdown (open transactions are rolled back), then the immediate one (recovery at the next start) after `timeoutMs`. */
export async function stopPostmaster(dataDir: string, timeoutMs = 30_000): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const running = findPostmaster(dataDir);
    if (running === null) return;
    const ticks = readStartTicks(running.pid);
    process.kill(running.pid, signal);
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      if (ticks === null || readStartTicks(running.pid) !== ticks) return;
      await wait(10);
    }
  }
  throw new Error(`the Postgres server on ${dataDir} does not stop: end its processes and start again`);
}
