import { readFile } from 'node:fs/promises';

const COUNTERS = ['/sys/fs/cgroup/memory.events', '/sys/fs/cgroup/memory/memory.oom_control'] as const;

/** How often the kernel killed a process of this container for memory so far; 0 where it does not say. */
export async function countOomKills(): Promise<number> {
  for (const path of COUNTERS) {
    const text = await readFile(path, 'utf8').catch(() => '');
    const found = /^oom_kill (\d+)$/m.exec(text);
    if (found !== null) return Number(found[1]);
  }
  return 0;
}
