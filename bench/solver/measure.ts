import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { z } from 'zod';

const SAMPLE_MS = 500;
const MOST_SAID = 4_000;

/** How a program ended, and what it took. */
export interface Measured {
  readonly code: number | null;
  readonly seconds: number;
  /** Of the program and all that it started, together, as sampled twice a second. */
  readonly peakMemoryMib: number;
  readonly said: string;
  readonly output: string;
}

/** Runs a program to its end, and measures it; a program that takes longer than `mostS` is killed with all that it started. */
export async function measureProgram(
  command: string,
  args: readonly string[],
  { mostS, env = {} }: { readonly mostS: number; readonly env?: Readonly<Record<string, string>> },
): Promise<Measured> {
  const startMs = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...env } });
  const pid = child.pid;
  let said = '';
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MOST_SAID)));
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  let peakMemoryMib = 0;
  const sample = async (): Promise<void> => {
    if (pid !== undefined) peakMemoryMib = Math.max(peakMemoryMib, await measureMemoryMib(pid));
  };
  const sampling = setInterval(() => void sample(), SAMPLE_MS);
  const kill = setTimeout(() => pid !== undefined && process.kill(-pid, 'SIGKILL'), 1000 * mostS);
  try {
    const [code] = z
      .tuple([z.int().nullable()])
      .rest(z.unknown())
      .parse(await once(child, 'close'));
    return { code, seconds: (performance.now() - startMs) / 1000, peakMemoryMib: Math.round(peakMemoryMib), said, output };
  } finally {
    clearInterval(sampling);
    clearTimeout(kill);
  }
}

/** Memory of a process and everything below it: shared pages by their share where the system tells, else resident ones. */
async function measureMemoryMib(root: number): Promise<number> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // The name of a program may hold blanks and brackets: what follows its last bracket has fixed places.
    parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const isBelow = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) if (at === root) return true;
    return false;
  };
  const sizes = await Promise.all([...parents.keys()].filter(isBelow).map(readKib));
  return sizes.reduce((sum, kib) => sum + kib, 0) / 1024;
}

async function readKib(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const shared = /^Pss:\s+(\d+)/m.exec(rollup)?.[1];
  if (shared !== undefined) return Number(shared);
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}
