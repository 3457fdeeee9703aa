import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { readStartTicks } from './process-identity.ts';

const NodeFault = z.object({ code: z.string() });
const pollMs = 20;

function isFault(error: unknown, ...codes: string[]): boolean {
  const fault = NodeFault.safeParse(error);
  return fault.success && codes.includes(fault.data.code);
}

async function readHolder(path: string): Promise<{ text: string; isAlive: boolean } | null> {
  try {
    const text = await readFile(path, 'utf8');
    const [pid, ticks] = text.split(' ');
    return { text, isAlive: readStartTicks(Number(pid)) === ticks };
  } catch (error) {
    if (isFault(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Creates the lock together with its content (a hard link), so that nobody reads half of it. */
async function tryToLock(path: string, mine: string): Promise<boolean> {
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, mine);
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (isFault(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Moves a dead holder's lock away, and puts it back if a live one took the place in between. */
async function clearStale(path: string, seen: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
    if ((await readFile(aside, 'utf8')) !== seen) await link(aside, path);
  } catch (error) {
    if (!isFault(error, 'ENOENT', 'EEXIST')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

/**
 * Does the work while no other process holds the lock file `path`; waits for a living holder, takes over from a dead one. Within one
 * process calls must not overlap with themselves (the second would wait as for any other holder, which is safe).
 */
export async function withProcessLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const mine = `${process.pid} ${readStartTicks(process.pid) ?? '0'} ${randomUUID()}`;
  while (!(await tryToLock(path, mine))) {
    const holder = await readHolder(path);
    if (holder === null) continue;
    if (holder.isAlive) await wait(pollMs);
    else await clearStale(path, holder.text);
  }
  try {
    return await work();
  } finally {
    if ((await readHolder(path))?.text === mine) await rm(path, { force: true });
  }
}
