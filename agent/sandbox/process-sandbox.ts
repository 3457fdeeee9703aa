import { spawn } from 'node:child_process';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Confinement } from './confinement.ts';
import type { ForkServer, RunProcess } from './fork-server.ts';
import type { Guard } from './guard-run.ts';
import type { ProcessEnd } from './classify-end.ts';
import type { RunEnd } from './end-run.ts';
import type { RunLimits } from './run-limits.ts';
import type { ExitClass, RunOutcome, Sandbox, SolutionRun } from './sandbox.ts';
import { DEFAULT_LIMITS } from './run-limits.ts';
import { classifyEnd, readSignal } from './classify-end.ts';
import { createForkServer } from './fork-server.ts';
import { cleanTail, createTailKeeper, findOwnFrame } from './clean-tail.ts';
import { countOomKills } from './oom-kills.ts';
import { endRun } from './end-run.ts';
import { guardRun } from './guard-run.ts';
import { listLayers, probeConfinement, writeCommand } from './confinement.ts';
import { tryToBreakOut } from './self-test.ts';

const MAX_OUTPUT_BYTES = 256 * 1024;

/** Limits set by a shell before it becomes the next program: no core files, few descriptors, bounded file size, CPU time and memory. */
const LAUNCH = 'ulimit -c 0; ulimit -n "$1"; ulimit -f "$2"; ulimit -t "$3"; ulimit -d "$4"; shift 4; exec "$@"';

/** `limits`: what a run may use; `environment`: variables besides the run's own, never a secret. */
export interface ProcessSandboxOptions {
  readonly limits?: RunLimits;
  readonly environment?: Readonly<Record<string, string>>;
  /** Starts runs warm where no namespaces are put around them; absent = every start is cold. */
  readonly forkServer?: ForkServer;
}

interface Place {
  readonly python: string;
  readonly confinement: Confinement | null;
  readonly limits: RunLimits;
  readonly environment: Readonly<Record<string, string>>;
  readonly forkServer: ForkServer | null;
}

const UNTRIED = { accepted: false, reason: 'no self-test has tried this sandbox' } as const;

/**
 * One fresh process per run, its own session, empty environment, closed stdin, limits on the whole tree. `python` is an absolute path. With
 * a confinement a run reaches no network, no file but its own and the system's, no other run; without (null) this is for programs that we
 * wrote ourselves. Refuses generated code: only `openProcessSandbox` tries whether it may.
 */
export function createProcessSandbox(
  python: string,
  confinement: Confinement | null = null,
  { limits = DEFAULT_LIMITS, environment = {}, forkServer }: ProcessSandboxOptions = {},
): Sandbox {
  return {
    tier: confinement === null ? 'process' : 'isolated',
    layers: listLayers(confinement),
    generatedCode: UNTRIED,
    run: (order) => runProcess({ python, confinement, limits, environment, forkServer: forkServer ?? null }, order),
  };
}

/** How a sandbox is opened. */
export interface OpenOptions {
  readonly limits?: RunLimits;
  /** Starts runs warm where no namespaces are put around them, once the self-test has tried that way too. */
  readonly warm?: boolean;
}

/** The same, confined where this machine can, and tried by a self-test; `problems` says in one line each why not. */
export async function openProcessSandbox(
  python: string,
  { limits = DEFAULT_LIMITS, warm = false }: OpenOptions = {},
): Promise<{ readonly sandbox: Sandbox; readonly problems: readonly string[] }> {
  const { confinement, problems } = await probeConfinement(python);
  const cold = createProcessSandbox(python, confinement, { limits });
  if (confinement === null) {
    return { sandbox: { ...cold, generatedCode: { accepted: false, reason: problems.join('; ') } }, problems };
  }
  const generatedCode = await tryToBreakOut(cold);
  // What does not hold against a test is no isolation; recipes still run under it.
  if (!generatedCode.accepted)
    return { sandbox: { ...cold, tier: 'process', generatedCode }, problems: [...problems, generatedCode.reason] };
  const run = warm && confinement.bubblewrap === null ? warmUp(python, confinement, limits, cold) : cold.run;
  return { sandbox: { ...cold, run, generatedCode }, problems };
}

/** Runs start cold until the fork server is there and the self-test has held in it as well: nobody waits for that. */
function warmUp(python: string, confinement: Confinement, limits: RunLimits, cold: Sandbox): Sandbox['run'] {
  const forkServer = createForkServer(python, writeThreads);
  const warm = createProcessSandbox(python, confinement, { limits, forkServer });
  let holds = false;
  void tryToBreakOut(warm).then((tried) => {
    holds = tried.accepted;
    return holds ? undefined : forkServer.close();
  });
  return (order) => (holds ? warm : cold).run(order);
}

async function runProcess(place: Place, order: SolutionRun): Promise<RunOutcome> {
  if (order.signal.aborted) return { exitClass: 'stopped', exitCode: null, seconds: 0, peakMemoryMib: 0, tail: '', frame: null };
  const startMs = performance.now();
  const oomKills = await countOomKills();
  const forked = await startForked(place, order);
  const child = forked ?? startCold(place, order);
  const output = collectOutput(child, order.onOutput);
  const end = endRun(child, place.confinement === null ? 'group' : place.confinement.bubblewrap === null ? 'supervised' : 'contained');
  const guard = guardRun(child, order, place.limits, end, forked !== null);
  const ended = await waitForEnd(child, end);
  guard.stop();
  // Whatever it left behind ends with it; then its pipes close.
  end.sweep();
  if (forked !== null && guard.reason() !== null) place.forkServer?.retire();
  const { exitClass, words } = await findEnd(order, ended, { guard, text: output.text(), oomKills });
  return {
    exitClass,
    exitCode: readSignal(ended).exitCode,
    seconds: (performance.now() - startMs) / 1000,
    peakMemoryMib: Math.round(guard.peakMib()),
    tail: words === null ? cleanTail(output.text()) : cleanTail(`${output.text()}\n${words}`),
    frame: findOwnFrame(output.text(), order.program),
  };
}

function startCold(place: Place, order: SolutionRun): RunProcess {
  const command = [...writeCommand(place.python, order, place.confinement, place.limits.tasks), ...writeArguments(order)];
  const { openFiles, fileBytes, cpuS, dataBytes } = findLimits(order, place.limits);
  const limits = [openFiles, fileBytes / 512, cpuS, dataBytes / 1024].map(String);
  return spawn('/bin/sh', ['-c', LAUNCH, 'sh', ...limits, ...command], {
    cwd: order.scratchDir,
    env: writeEnvironment(order, place.environment),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** A child of the fork server with the same limits and rights; null where a cold start is wanted, or the only way. */
async function startForked(place: Place, order: SolutionRun): Promise<RunProcess | null> {
  if (place.forkServer === null || place.confinement === null || order.coldStart === true) return null;
  const { openFiles, fileBytes, cpuS, dataBytes } = findLimits(order, place.limits);
  return place.forkServer.start({
    program: order.program,
    arguments: writeArguments(order),
    read: [order.program, order.trainDir, order.predictDir, order.paramsFile],
    write: [order.outDir, order.scratchDir],
    cwd: order.scratchDir,
    environment: writeEnvironment(order, place.environment),
    limits: { open_files: openFiles, file_bytes: fileBytes, cpu_s: cpuS, data_bytes: dataBytes, tasks: place.limits.tasks },
  });
}

/** The class of an end, with a sentence where the program's own words do not tell. */
async function findEnd(
  order: SolutionRun,
  ended: Ended,
  seen: { readonly guard: Guard; readonly text: string; readonly oomKills: number },
): Promise<{ readonly exitClass: ExitClass; readonly words: string | null }> {
  const guarded = seen.guard.reason();
  if (guarded !== null) return { exitClass: guarded.exitClass, words: `[ended by the sandbox: ${guarded.words}]` };
  if (ended.failedToStart !== null) return { exitClass: 'crashed', words: ended.failedToStart };
  const end = readSignal(ended);
  if (end.signal === 'SIGKILL' && (await countOomKills()) > seen.oomKills) return { exitClass: 'oom', words: null };
  const exitClass = classifyEnd(end, cleanTail(seen.text));
  if (exitClass !== 'ok' || order.answers.length === 0) return { exitClass, words: null };
  const found = await Promise.all(order.answers.map(async (name) => lstat(join(order.outDir, name)).catch(() => null)));
  if (found.some((info) => info?.isFile())) return { exitClass: 'ok', words: null };
  return { exitClass: 'contract', words: `it ended without ${order.answers.join(' or ')} as a plain file in the folder of --out` };
}

/** What the kernel is told to refuse; the file's size in blocks of 512 bytes for the shell. */
function findLimits(order: SolutionRun, limits: RunLimits) {
  return {
    openFiles: limits.openFiles,
    fileBytes: limits.fileMib * 2 ** 20,
    cpuS: Math.ceil((order.timeoutMs / 1000) * order.threads) + 10,
    dataBytes: Math.ceil(2 * order.memoryMib + limits.reserveMib) * 2 ** 20,
  };
}

function writeArguments(order: SolutionRun): string[] {
  const deadlineS = Math.max(1, order.timeoutMs / 1000).toFixed(1);
  const folders = ['--train', order.trainDir, '--predict', order.predictDir, '--out', order.outDir];
  const settings = ['--params', order.paramsFile, '--seed', String(order.seed), '--threads', String(order.threads)];
  return [...folders, ...settings, '--deadline', deadlineS];
}

function writeEnvironment(order: SolutionRun, more: Readonly<Record<string, string>>): Record<string, string> {
  return { ...writeThreads(String(order.threads)), HOME: order.scratchDir, TMPDIR: order.scratchDir, ...more };
}

/** What the numerical libraries read when they are loaded. */
function writeThreads(threads: string): Record<string, string> {
  return {
    LANG: 'C.UTF-8',
    PYTHONDONTWRITEBYTECODE: '1',
    OMP_NUM_THREADS: threads,
    OPENBLAS_NUM_THREADS: threads,
    MKL_NUM_THREADS: threads,
  };
}

function collectOutput(child: RunProcess, onOutput: (chunk: string) => void) {
  let bytes = 0;
  const keepers = [child.stdout, child.stderr].map((stream) => {
    const keeper = createTailKeeper();
    stream?.on('data', (chunk: Buffer) => {
      const text = keeper.take(chunk);
      if (bytes > MAX_OUTPUT_BYTES) return;
      bytes += chunk.length;
      onOutput(text);
      if (bytes > MAX_OUTPUT_BYTES) onOutput('\n(more output is not kept)\n');
    });
    return keeper;
  });
  // The errors last: that is where a traceback is.
  return { text: () => keepers.map((keeper) => keeper.text()).join('') };
}

interface Ended extends ProcessEnd {
  readonly failedToStart: string | null;
}

/** Waits for the main process, not for its pipes: a child that it left behind may hold those open. */
async function waitForEnd(child: RunProcess, run: RunEnd): Promise<Ended> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ exitCode: null, signal: null, failedToStart: error.message }));
    child.once('exit', (exitCode, signal) => {
      const done = () => resolve({ exitCode, signal, failedToStart: null });
      run.sweep();
      child.once('close', done);
    });
  });
}
