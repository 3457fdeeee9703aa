import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { SolutionRun } from '#agent/sandbox/sandbox.ts';
import { makeTempDir } from '../../_support/kaggle-stand-in.ts';
import { PYTHON } from '../../_support/python.ts';
import { waitUntil } from '../../_support/wait-until.ts';

const inProject = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
export const CONFINE = inProject('agent/python/confine.py');
const MAIN = inProject('agent/runner/main.ts');

export interface RunnerProcess {
  readonly pid: number;
  readonly output: () => string;
  /** Resolves with exit code and signal. */
  readonly ended: Promise<[code: number | null, signal: NodeJS.Signals | null]>;
}

export interface Place {
  readonly dir: string;
  readonly runsDir: string;
  readonly socketPath: string;
}

export async function makePlace(t: ExecutionContext): Promise<Place> {
  const dir = await makeTempDir(t);
  const runsDir = join(dir, 'work');
  await mkdir(runsDir);
  return { dir, runsDir, socketPath: join(dir, 'runner.sock') };
}

/** The runner as its container starts it: under confine.py, with the environment of the contract and nothing else. */
export function startRunner(t: ExecutionContext, place: Place, command: readonly string[] = [PYTHON, '-I', CONFINE, '--']): RunnerProcess {
  const [program = '', ...args] = [...command, process.execPath, MAIN];
  const env = {
    KAGGLE_AGENT_RUNNER_SOCKET: place.socketPath,
    KAGGLE_AGENT_RUNS_DIR: place.runsDir,
    KAGGLE_AGENT_PYTHON: PYTHON,
    HOME: '/tmp',
  };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { pid: child.pid ?? -1, output: () => output, ended };
}

/** Until the socket takes connections: its file is there a moment before that. */
export async function waitForSocket(place: Place): Promise<void> {
  await waitUntil('the socket', () => canConnect(place.socketPath), 90_000);
}

async function canConnect(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

let runs = 0;

/** An order for a program text in a folder of its own under the runs folder. */
export async function makeOrder(
  place: Place,
  program: string,
  change: Partial<SolutionRun> & { readonly params?: object } = {},
): Promise<SolutionRun & { readonly home: string; output: () => string }> {
  const { params, ...rest } = change;
  const home = join(place.runsDir, `run-${(runs += 1)}`);
  for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(join(home, name), { recursive: true, mode: 0o700 });
  await writeFile(join(home, 'solution.py'), program);
  await writeFile(join(home, 'params.json'), JSON.stringify(params ?? {}));
  let output = '';
  return {
    home,
    output: () => output,
    program: join(home, 'solution.py'),
    trainDir: join(home, 'train'),
    predictDir: join(home, 'predict'),
    outDir: join(home, 'out'),
    scratchDir: join(home, 'scratch'),
    paramsFile: join(home, 'params.json'),
    answers: [],
    seed: 1,
    threads: 1,
    timeoutMs: 60_000,
    memoryMib: 1000,
    onOutput: (chunk) => {
      output += chunk;
    },
    signal: new AbortController().signal,
    ...rest,
  };
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
