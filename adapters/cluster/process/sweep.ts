import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#core/ports.ts';
import { RUN_FILES } from './run-files.ts';
import { isRunName, readAgeMs, readRun } from './run-records.ts';
import { forgetRun } from './settle.ts';

const LEFTOVER_MS = 60_000;

/**
 * Forgets runs that ended and were recorded more than `ttlMs` ago, and what crashes have left: folders without an order, trash, signals of
 * runs that are gone. Never throws: the next sweep tries again.
 */
export async function sweepRuns(params: { readonly dir: string; readonly ttlMs: number; readonly logger: Logger }): Promise<void> {
  const { dir, ttlMs, logger } = params;
  try {
    for (const name of (await readdir(dir)).filter(isRunName)) {
      if (await isForgettable(dir, name, ttlMs)) await forgetRun(dir, join(dir, name));
    }
    await sweepOld(join(dir, '.trash'), () => Promise.resolve(true));
    await sweepOld(join(dir, '.signals'), async (name) => (await readAgeMs(join(dir, name))) === null);
  } catch (error) {
    logger.warn({ error: String(error) }, 'old runs could not be swept; the next listing tries again');
  }
}

async function isForgettable(dir: string, name: string, ttlMs: number): Promise<boolean> {
  const recordedMs = await readAgeMs(join(dir, name, RUN_FILES.recorded));
  if (recordedMs !== null) {
    if (recordedMs < ttlMs) return false;
    const run = await readRun(dir, name);
    return run !== null && run.state !== null && run.state !== 'unreadable' && run.state.phase === 'ended';
  }
  // A creator dies between making the folder and writing the order.
  if ((await readAgeMs(join(dir, name, RUN_FILES.order))) !== null) return false;
  const folderMs = await readAgeMs(join(dir, name));
  return folderMs !== null && folderMs > LEFTOVER_MS;
}

async function sweepOld(folder: string, isDone: (name: string) => Promise<boolean>): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    const ageMs = await readAgeMs(path);
    if (ageMs !== null && ageMs > LEFTOVER_MS && (await isDone(name))) await rm(path, { recursive: true, force: true });
  }
}
