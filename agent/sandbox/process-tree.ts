import { readdir, readFile } from 'node:fs/promises';

/** More processes than this are not counted one by one, nor the threads of one. */
const MAX_COUNTED = 2_000;

/** A process of a tree, with the number of its threads. */
export interface TreeMember {
  readonly pid: number;
  readonly tasks: number;
}

/**
 * Resident memory in MiB of all members together. `isForked`: memory that is shared with the process they were forked from counts in part
 * only, which takes milliseconds for each of them. Linux only: reads /proc.
 */
export async function measureMemory(members: readonly TreeMember[], isForked = false): Promise<number> {
  let pages = 0;
  for (const member of members) {
    if (isForked) {
      pages += (await readOwnKib(member.pid)) / 4;
      continue;
    }
    const statm = await readFile(`/proc/${member.pid}/statm`, 'utf8').catch(() => '');
    // Resident minus shared file pages: libraries that several processes map are not counted for each.
    const [, resident = '0', shared = '0'] = statm.split(' ');
    pages += Number(resident) - Number(shared);
  }
  return (pages * 4096) / 2 ** 20;
}

/** Anonymous memory, a page that n processes share counted as an n-th: the kernel's own sum, in KiB. */
async function readOwnKib(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const sizes = [...text.matchAll(/^(?:Pss_Anon|Pss_Shmem|SwapPss): +(\d+) kB$/gm)].map(([, size]) => Number(size));
  return sizes.reduce((sum, size) => sum + size, 0);
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
  for (const member of await listTree(pid)) signalOne(member.pid, 'SIGKILL');
}

/** A process and all its descendants; no more are looked for once their processes and threads are more than `maxTasks`. */
export async function listTree(root: number, maxTasks = Infinity): Promise<TreeMember[]> {
  const found: TreeMember[] = [];
  const queue = [root];
  let counted = 0;
  for (let pid = queue.pop(); pid !== undefined && found.length < MAX_COUNTED && counted <= maxTasks; pid = queue.pop()) {
    const tasks = await readdir(`/proc/${pid}/task`).catch(() => []);
    found.push({ pid, tasks: tasks.length });
    counted += tasks.length;
    for (const task of tasks.length > MAX_COUNTED ? [] : tasks) {
      const children = await readFile(`/proc/${pid}/task/${task}/children`, 'utf8').catch(() => '');
      for (const child of children.split(' ')) if (child.trim() !== '') queue.push(Number(child));
    }
  }
  return found;
}
