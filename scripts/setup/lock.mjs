import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { setupDir } from './places.mjs';
import { say } from './talk.mjs';

const lockPath = join(setupDir, 'lock');

/** When a process started, in kernel ticks since boot: with the pid it names one process for good. Null when it is gone. */
function readStartTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : fields[19];
  } catch {
    return null;
  }
}

function readHolder() {
  try {
    const text = readFileSync(lockPath, 'utf8');
    const [pid, ticks] = text.split(' ');
    return { text, pid, isAlive: readStartTicks(pid) === ticks };
  } catch {
    return null;
  }
}

/** Creates the lock with its content in one step (a hard link), so that nobody ever reads half of it. */
function tryToLock(mine) {
  const temporary = `${lockPath}.${process.pid}`;
  writeFileSync(temporary, mine);
  try {
    linkSync(temporary, lockPath);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Moves a dead holder's lock away; puts it back if a live one took the place in between. */
function clearStale(holder) {
  const aside = `${lockPath}.stale.${process.pid}`;
  try {
    renameSync(lockPath, aside);
    if (readFileSync(aside, 'utf8') !== holder.text) linkSync(aside, lockPath);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Does the work while no other set-up runs in this folder. Waits for one that does, and takes over from one that died. */
export async function withSetupLock(work) {
  mkdirSync(setupDir, { recursive: true });
  const mine = `${process.pid} ${readStartTicks(process.pid) ?? '0'}`;
  let announcedPid = null;
  while (!tryToLock(mine)) {
    const holder = readHolder();
    if (holder === null) continue;
    if (!holder.isAlive) {
      say(`the set-up with pid ${holder.pid} ended half-way: going on where it stopped`);
      clearStale(holder);
      continue;
    }
    if (announcedPid !== holder.pid) {
      say(`another set-up (pid ${holder.pid}) is at work in this folder: waiting for it`);
      announcedPid = holder.pid;
    }
    await wait(200);
  }
  try {
    return await work();
  } finally {
    releaseSetupLock();
  }
}

/** Gives the lock back if this process holds it. Safe to call at any time, also from a signal handler. */
export function releaseSetupLock() {
  if (readHolder()?.pid === String(process.pid)) rmSync(lockPath, { force: true });
}
