import { readdir, readFile } from 'node:fs/promises';

/** Resident memory of every process in a process group, in MiB; 0 when none is left. Linux only: reads /proc. */
export async function measureGroupMemoryMib(pid: number): Promise<number> {
  let pages = 0;
  for (const member of await listTree(pid)) {
    const statm = await readFile(`/proc/${member}/statm`, 'utf8').catch(() => '');
    // Resident minus shared file pages: libraries that several processes map are not counted for each.
    const [, resident = '0', shared = '0'] = statm.split(' ');
    pages += Number(resident) - Number(shared);
  }
  return (pages * 4096) / 2 ** 20;
}

/** Sends a signal to a whole process group; true when there was one. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** A signal to one process; true when it was there. */
export function signalOne(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Kills a process and all its descendants, whatever groups they are in. */
export async function killTree(pid: number): Promise<void> {
  for (const member of await listTree(pid)) signalOne(member, 'SIGKILL');
}

async function listTree(root: number): Promise<number[]> {
  const found: number[] = [];
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined && found.length < 1000; pid = queue.pop()) {
    found.push(pid);
    const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
    for (const task of tasks) {
      const children = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '');
      for (const child of children.split(' ')) if (child.trim() !== '') queue.push(Number(child));
    }
  }
  return found;
}
