import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { ExitClass, RunOutcome, Sandbox, SolutionRun } from './sandbox.ts';
import type { RunEnd } from './end-run.ts';
import type { Confinement } from './confinement.ts';
import { countOomKills } from './oom-kills.ts';
import { endRun } from './end-run.ts';
import { measureGroupMemoryMib } from './process-tree.ts';
import { probeConfinement, writeCommand } from './confinement.ts';

const TERM_GRACE_MS = 2_000;
const MEMORY_POLL_MS = 250;
const MAX_OUTPUT_BYTES = 256 * 1024;
const TAIL_CHARS = 4_000;
const MAX_FILE_MIB = 2048;

/** Limits set by a shell before it becomes Python: no core files, few descriptors, bounded file size and CPU time. */
const LAUNCH = 'ulimit -c 0; ulimit -n 1024; ulimit -f "$1"; ulimit -t "$2"; shift 2; exec "$@"';

/**
 * One fresh process per run, its own session, empty environment, closed stdin, time and memory limits on the whole tree. `python` is an
 * absolute path. With a confinement a run reaches no network, no file but its own and the system's, no other run; without (null) this is
 * for programs that we wrote ourselves.
 */
export function createProcessSandbox(python: string, confinement: Confinement | null = null): Sandbox {
  return { tier: confinement === null ? 'process' : 'isolated', run: (order) => runProcess(python, order, confinement) };
}

/** The same, confined where this machine can; `problems` says in one line each why not. */
export async function openProcessSandbox(python: string): Promise<{ readonly sandbox: Sandbox; readonly problems: readonly string[] }> {
  const { confinement, problems } = await probeConfinement(python);
  return { sandbox: createProcessSandbox(python, confinement), problems };
}

async function runProcess(python: string, order: SolutionRun, confinement: Confinement | null): Promise<RunOutcome> {
  if (order.signal.aborted) return { exitClass: 'stopped', exitCode: null, seconds: 0, peakMemoryMib: 0, tail: '' };
  const startMs = performance.now();
  const oomKills = await countOomKills();
  const command = [...writeCommand(python, order, confinement), ...writeArguments(order)];
  const child = spawn('/bin/sh', ['-c', LAUNCH, 'sh', ...writeLimits(order), ...command], {
    cwd: order.scratchDir,
    env: writeEnvironment(order),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collectOutput(child, order.onOutput);
  const end = endRun(child, confinement !== null);
  const guard = guardRun(child, order, end);
  const { exitCode, signal, failedToStart } = await waitForEnd(child, end);
  guard.stop();
  // Whatever it left behind ends with it; then its pipes close.
  end.sweep();
  const tail = failedToStart ?? output.tail();
  const killedForMemory = signal === 'SIGKILL' && (await countOomKills()) > oomKills;
  const found = killedForMemory ? 'oom' : classifyEnd(exitCode, signal, tail);
  return {
    exitClass: guard.reason() ?? (failedToStart !== null ? 'crashed' : found),
    exitCode,
    seconds: (performance.now() - startMs) / 1000,
    peakMemoryMib: Math.round(guard.peakMib()),
    tail,
  };
}

function writeLimits(order: SolutionRun): string[] {
  const cpuS = Math.ceil((order.timeoutMs / 1000) * order.threads) + 10;
  return [String(MAX_FILE_MIB * 2048), String(cpuS)];
}

function writeArguments(order: SolutionRun): string[] {
  const deadlineS = Math.max(1, order.timeoutMs / 1000).toFixed(1);
  const folders = ['--train', order.trainDir, '--predict', order.predictDir, '--out', order.outDir];
  const settings = ['--params', order.paramsFile, '--seed', String(order.seed), '--threads', String(order.threads)];
  return [...folders, ...settings, '--deadline', deadlineS];
}

function writeEnvironment(order: SolutionRun): Record<string, string> {
  const threads = String(order.threads);
  return {
    LANG: 'C.UTF-8',
    HOME: order.scratchDir,
    TMPDIR: order.scratchDir,
    PYTHONDONTWRITEBYTECODE: '1',
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    MKL_NUM_THREADS: threads,
  };
}

function collectOutput(child: ChildProcess, onOutput: (chunk: string) => void) {
  let bytes = 0;
  let tail = '';
  const take = (chunk: Buffer): void => {
    const text = chunk.toString('utf8');
    tail = (tail + text).slice(-TAIL_CHARS);
    if (bytes > MAX_OUTPUT_BYTES) return;
    bytes += chunk.length;
    onOutput(text);
    if (bytes > MAX_OUTPUT_BYTES) onOutput('\n(more output is not kept)\n');
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  return { tail: () => tail };
}

interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly failedToStart: string | null;
}

/** Waits for the main process, not for its pipes: a child that it left behind may hold those open. */
async function waitForEnd(child: ChildProcess, run: RunEnd): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, signal: null, failedToStart: error.message }));
    child.once('exit', (exitCode, signal) => {
      const done = () => resolve({ exitCode, signal, failedToStart: null });
      run.sweep();
      child.once('close', done);
    });
  });
}

/** Ends the run when its time or memory is over, or the attempt is stopped: TERM, grace, KILL, always to all of it. */
function guardRun(child: ChildProcess, order: SolutionRun, run: RunEnd) {
  let reason: ExitClass | null = null;
  let peakMib = 0;
  let killTimer: NodeJS.Timeout | null = null;
  const end = (why: ExitClass, graceMs: number): void => {
    if (reason !== null) return;
    reason = why;
    if (graceMs === 0) return run.kill();
    run.ask();
    killTimer = setTimeout(run.kill, graceMs);
  };
  const onAbort = (): void => end('stopped', 0);
  order.signal.addEventListener('abort', onAbort, { once: true });
  const timeout = setTimeout(() => end('timeout', TERM_GRACE_MS), order.timeoutMs);
  const poll = setInterval(() => {
    if (child.pid === undefined) return;
    void measureGroupMemoryMib(child.pid).then((mib) => {
      peakMib = Math.max(peakMib, mib);
      if (mib > order.memoryMib) end('oom', 0);
    });
  }, MEMORY_POLL_MS);
  return {
    reason: () => reason,
    peakMib: () => peakMib,
    stop(): void {
      clearTimeout(timeout);
      clearInterval(poll);
      if (killTimer !== null) clearTimeout(killTimer);
      order.signal.removeEventListener('abort', onAbort);
    },
  };
}

function classifyEnd(exitCode: number | null, signal: NodeJS.Signals | null, tail: string): ExitClass {
  if (exitCode === 0) return 'ok';
  if (/\bMemoryError\b|std::bad_alloc/.test(tail)) return 'oom';
  if (signal === 'SIGXFSZ' || /No space left on device|File too large/.test(tail)) return 'disk';
  if (signal === 'SIGXCPU') return 'timeout';
  if (signal === 'SIGKILL') return 'killed';
  if (/\b(SyntaxError|IndentationError)\b/.test(tail)) return 'syntax';
  if (/\b(ModuleNotFoundError|ImportError)\b/.test(tail)) return 'import';
  if (/\b(FileNotFoundError|KeyError|UnicodeDecodeError|ParserError)\b/.test(tail)) return 'data';
  return 'crashed';
}
