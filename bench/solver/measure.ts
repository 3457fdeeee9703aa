import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';

const SAMPLE_MS = 500;
const MOST_SAID = 4_000;

/** How a program ended, and what it took. */
export interface Measured {
  readonly code: number | null;
  readonly seconds: number;
  /** Of the program and all that it started, together, as sampled about twice a second; 0 when it ended before the first sample. */
  readonly peakMemoryMib: number;
  readonly said: string;
  readonly output: string;
}

interface MeasureOptions {
  readonly mostS: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Hears every sample of the memory, in MiB. */
  readonly onSample?: (memoryMib: number) => void;
}

/** Runs a program to its end, and measures it; a program that takes longer than `mostS` is killed with all that it started. */
export async function measureProgram(
  command: string,
  args: readonly string[],
  { mostS, env = {}, onSample = () => undefined }: MeasureOptions,
): Promise<Measured> {
  const startMs = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...env } });
  const pid = child.pid;
  let said = '';
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-MOST_SAID)));
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  let peakMemoryMib = 0;
  const ended = new AbortController();
  const sampleUntilEnd = async (root: number): Promise<void> => {
    while (!ended.signal.aborted) {
      const memoryMib = await measureMemoryMib(root);
      peakMemoryMib = Math.max(peakMemoryMib, memoryMib);
      onSample(memoryMib);
      await wait(SAMPLE_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  const sampling = pid === undefined ? Promise.resolve() : sampleUntilEnd(pid);
  const kill = setTimeout(() => pid !== undefined && process.kill(-pid, 'SIGKILL'), 1000 * mostS);
  try {
    const [code] = z
      .tuple([z.int().nullable()])
      .rest(z.unknown())
      .parse(await once(child, 'close'));
    const seconds = (performance.now() - startMs) / 1000;
    ended.abort();
    await sampling;
    return { code, seconds, peakMemoryMib: Math.round(peakMemoryMib), said, output };
  } finally {
    ended.abort();
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
