import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readlink, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import type { ProcessRunner, ProcessRunnerOptions } from '#adapters/cluster/process/runner.ts';
import type { PlainEvent } from '#core/events.ts';
import type { JobSpec } from '#core/job-spec.ts';
import type { RunObservation, RunOrder } from '#core/ports.ts';
import type { JobRunnerHarness, ToyAgent } from '#test/contract/job-runner-harness.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const PLANE = fileURLToPath(new URL('./_plane.ts', import.meta.url));
const TESTS_AT_ONCE = 3;
const AGENTS = fileURLToPath(new URL('../../../fixtures/agents/', import.meta.url));

/** A runner in a temporary folder, and what it has said. */
export interface ProcessHarness extends JobRunnerHarness {
  readonly runner: ProcessRunner;
  readonly dir: string;
  readonly hints: PlainEvent[];
  readonly options: ProcessRunnerOptions;
  /** An order that runs a program of test/fixtures/agents. */
  orderScript(script: string, args?: readonly string[], limits?: Limits): RunOrder;
}

interface Limits {
  readonly memoryMib?: number;
  readonly activeDeadlineS?: number;
}

/** Sets up a runner; at the end of the test every run is removed, and the test fails if a process is left. */
export async function setUpProcesses(t: ExecutionContext, options: Partial<ProcessRunnerOptions> = {}): Promise<ProcessHarness> {
  await takeTurn(t);
  const dir = await mkdtemp(join(tmpdir(), 'runs-'));
  const hints: PlainEvent[] = [];
  const settings = buildOptions(dir, hints, options);
  const runner = createProcessRunner(settings);
  t.teardown(async () => {
    await endAllRuns(settings, runner);
    await waitUntil(`no process of ${dir} to be left`, () => listProcessesOf(dir).then((left) => left.length === 0));
    await rm(dir, { recursive: true, force: true });
  });
  return {
    runner,
    dir,
    hints,
    options: settings,
    patienceMs: 60_000,
    orderScript,
    // The supervisor is no process of the run: it ends itself right after it has written the end.
    countLiving: async (jobName) => (await listProcessesOf(join(dir, jobName), 'environ')).length,
    makeOrder: (agent, limits) => orderScript(...scriptOf(agent), limits),
    waitReady: async (run) => {
      const script = /-(stop-well|finish-on-stop|ignore-term)-/.exec(run.jobName);
      if (script === null) return;
      await waitUntil('the program to be ready', () =>
        readFile(join(dir, run.jobName, 'stdout.log'), 'utf8').then((text) => text.includes('ready')),
      );
    },
  };
}

let running = 0;
const queue: (() => void)[] = [];

/** A few tests at a time: dozens at once would only measure how busy the machine is. */
async function takeTurn(t: ExecutionContext): Promise<void> {
  if (running >= TESTS_AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve));
  else running += 1;
  t.teardown(() => {
    const next = queue.shift();
    if (next === undefined) running -= 1;
    else next();
  });
}

/** Options of a runner for the toy programs: the spec's hint says which. */
export function buildOptions(dir: string, hints: PlainEvent[], options: Partial<ProcessRunnerOptions> = {}): ProcessRunnerOptions {
  const quiet = () => undefined;
  return {
    dir,
    command: (order) => {
      const spec = order.spec;
      const hint = typeof spec === 'object' && spec !== null && 'hint' in spec && typeof spec.hint === 'string' ? spec.hint : '[]';
      const [script = 'exit.sh', ...args]: string[] = JSON.parse(hint);
      const file = script.endsWith('.sh') ? '/bin/sh' : process.execPath;
      return { file, args: [join(AGENTS, script), ...args], env: { PATH: '/usr/local/bin:/usr/bin:/bin', TOY: 'yes' } };
    },
    limits: { agentMemoryMib: 16, outputBytes: 64 * 1024 },
    graceMs: 700,
    onChange: (event) => hints.push(event),
    logger: { info: quiet, warn: quiet, error: quiet },
    ...options,
  };
}

/** Numbers of the processes whose arguments, environment or working directory name the folder: supervisors and programs alike. */
export async function listProcessesOf(dir: string, ...places: ('cmdline' | 'environ')[]): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    const texts = await Promise.all([
      ...(places.length === 0 ? ['cmdline', 'environ'] : places).map((file) => readFile(`/proc/${name}/${file}`, 'latin1').catch(() => '')),
      ...(places.length === 0 ? [readlink(`/proc/${name}/cwd`).catch(() => '')] : []),
    ]);
    if (texts.some((text) => text.includes(dir))) found.push(Number(name));
  }
  return found;
}

/** The supervisors that are at work in a run's folder. */
export async function listSupervisorsOf(dir: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await listProcessesOf(dir)) {
    const cmdline = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    if (cmdline.startsWith('supervisor of ')) found.push(pid);
  }
  return found;
}

/** Waits until the run is as wanted. */
export function waitForRun(
  runner: ProcessRunner,
  jobName: string,
  wanted: (run: RunObservation) => boolean,
  timeoutMs = 60_000,
): Promise<RunObservation> {
  const ask = async () => {
    const run = await runner.observe(jobName);
    return run !== null && wanted(run) ? run : null;
  };
  return waitUntil(`the wanted state of ${jobName}`, ask, timeoutMs);
}

async function endAllRuns(settings: ProcessRunnerOptions, first: ProcessRunner): Promise<void> {
  await first.close();
  const last = createProcessRunner({ ...settings, onChange: () => undefined });
  await waitUntil('all runs to be gone', async () => {
    const { items } = await last.list({ cursor: null, limit: 1000 });
    for (const run of items.filter((item) => !item.deleting)) await last.remove({ jobName: run.jobName, uid: run.uid });
    return items.length === 0;
  });
  await last.close();
}

function scriptOf(agent: ToyAgent): [string, string[]] {
  switch (agent.does) {
    case 'exit':
      return ['exit.sh', [String(agent.code)]];
    case 'work-until-stopped':
      return ['endless.sh', []];
    case 'save-when-stopped':
      return ['stop-well.sh', []];
    case 'finish-when-stopped':
      return ['finish-on-stop.sh', []];
    case 'ignore-stop':
      return ['ignore-term.sh', []];
    case 'hog-memory':
      return ['hog-memory.mjs', []];
    case 'leave-process-behind':
      return ['outlive.sh', [String(agent.code)]];
  }
}

function orderScript(script: string, args: readonly string[] = [], limits: Limits = {}): RunOrder {
  const jobId = randomUUID();
  const jobName = `kaggle-${script.replace(/\..*$/, '')}-${jobId.slice(-8)}`;
  const spec: JobSpec = {
    schemaVersion: 1,
    jobId,
    attempt: 1,
    jobName,
    tenant: 'default',
    slug: 'toy',
    kaggleUrl: 'https://www.kaggle.com/competitions/toy',
    resources: { cpuMillis: 1000, memoryMib: limits.memoryMib ?? 512 },
    remainingS: 60,
    activeDeadlineS: limits.activeDeadlineS ?? 120,
    budgetUsd: 0,
    llm: 'off',
    hint: JSON.stringify([script, ...args]),
    submitToKaggle: false,
    task: null,
    seed: 1,
    traceparent: null,
  };
  return { spec, specHash: jobId.replaceAll('-', '').repeat(2), jobName, jobId, attempt: 1, token: `secret-${jobId}` };
}

/** A control plane in its own process; it is killed at the end of the test. `go` lets it create the run. */
export async function startPlane(
  t: ExecutionContext,
  dir: string,
  order: RunOrder,
  mode: 'stay' | 'die-before-start' | 'die-after-start',
): Promise<{ go(): void; kill(): Promise<void>; waitFor(text: string): Promise<void>; waitDead(): Promise<void> }> {
  const child = spawn(process.execPath, [PLANE, dir, JSON.stringify(order), mode], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  t.teardown(kill);
  const waitFor = async (text: string) => {
    await waitUntil(`the control plane to say ${text}`, () => output.includes(text));
  };
  await waitFor('ready');
  return { go: () => void child.stdin.write('go\n'), kill, waitFor, waitDead: async () => void (await ended) };
}
