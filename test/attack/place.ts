import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SolutionRun } from '#agent/sandbox/sandbox.ts';
import { PYTHON } from '../_support/python.ts';

/** Every secret of an attack begins with this. */
export const CANARY_PREFIX = 'CANARY-9c41';
/** The line of the client in a pod that begins its results. */
export const POD_RESULTS = 'ATTACKED ';

/** Where an attack's files lie: the attacked run's own under `runsDir`, secrets beside it, and what it must not touch. */
export interface AttackFolders {
  readonly runsDir: string;
  readonly agentDir: string;
  readonly homeDir: string;
  readonly projectDir: string;
  readonly harnessDir: string;
  readonly programsDir: string;
  readonly python: string;
  /** A unix socket of the agent's; null = one is made. */
  readonly socket: string | null;
}

/** A place with secrets wherever one can be, and the folders of runs. */
export interface AttackPlace {
  readonly folders: AttackFolders;
  /** What attacks are told: where secrets lie, never what they are. */
  readonly given: Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

/** A place on this machine, in a folder of its own that is gone with it. */
export async function makeLocalPlace(): Promise<AttackPlace> {
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-attack-'));
  const projectDir = new URL('../../', import.meta.url).pathname;
  const place = await makeAttackPlace({
    runsDir: join(dir, 'runs'),
    agentDir: dir,
    homeDir: homedir(),
    projectDir,
    harnessDir: join(projectDir, 'agent/python'),
    programsDir: new URL('programs/', import.meta.url).pathname,
    python: PYTHON,
    socket: null,
  });
  return {
    ...place,
    async close() {
      await place.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Plants the secrets: in files, in a home, in another run, in the environment and the arguments of processes. */
export async function makeAttackPlace(folders: AttackFolders): Promise<AttackPlace> {
  const { runsDir, agentDir, homeDir, projectDir, harnessDir } = folders;
  const canary = (): string => `${CANARY_PREFIX}-${randomUUID()}`;
  const inHome = join(homeDir, `.kaggle-agent-attack-${randomUUID()}`);
  const secrets = {
    'beside the runs': join(agentDir, 'labels.csv'),
    'in a token file': join(agentDir, 'agent', 'token'),
    "in the user's folder": inHome,
    'in /tmp': join(tmpdir(), `kaggle-agent-attack-${randomUUID()}`),
    'of another run': join(runsDir, 'other', 'train', 'train.csv'),
  };
  for (const path of Object.values(secrets)) {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, canary());
  }
  process.env['KAGGLE_AGENT_ATTACK_CANARY'] = canary();
  const other = spawn('/bin/sh', ['-c', 'read line', canary()], { stdio: ['pipe', 'ignore', 'ignore'], env: { SECRET: canary() } });
  const path = folders.socket ?? join(agentDir, 'agent.sock');
  const [unixServer, server] = [createServer(), createServer()];
  if (folders.socket === null) unixServer.listen(path);
  server.listen(0, '127.0.0.1');
  const listening = folders.socket === null ? [unixServer, server] : [server];
  await Promise.all(listening.map((one) => once(one, 'listening')));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const grader = join(harnessDir, 'harness.py');
  return {
    folders,
    given: { secrets, socket: path, port, grader, home: homeDir, project: projectDir, pid: other.pid, prefix: CANARY_PREFIX },
    async close() {
      delete process.env['KAGGLE_AGENT_ATTACK_CANARY'];
      other.stdin.end();
      if (other.exitCode === null) await once(other, 'exit');
      await Promise.all(listening.map(async (one) => new Promise((resolve) => one.close(resolve))));
      for (const file of [secrets["in the user's folder"], secrets['in /tmp']]) await rm(file, { force: true });
    },
  };
}

/** The text of an attack program with what stands before each. */
export async function readProgram({ folders }: AttackPlace, name: string): Promise<string> {
  const files = ['prelude.py', name].map((file) => join(folders.programsDir, file));
  const [prelude, body] = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return `${prelude}\n${body}`;
}

export interface AttackRun {
  readonly home: string;
  readonly order: SolutionRun;
  readonly output: () => string;
}

let runs = 0;

/** The folders and the order of one run. */
export async function makeAttackRun(
  place: AttackPlace,
  program: string,
  change: Partial<SolutionRun> & { given?: object },
): Promise<AttackRun> {
  const { given = {}, ...rest } = change;
  const home = join(place.folders.runsDir, `run-${(runs += 1)}`);
  for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(join(home, name), { recursive: true, mode: 0o700 });
  await writeFile(join(home, 'train', 'train.csv'), 'id,y\n1,2\n');
  await writeFile(join(home, 'predict', 'rows.csv'), 'id\n1\n');
  await writeFile(join(home, 'solution.py'), program);
  await writeFile(join(home, 'params.json'), JSON.stringify({ ...place.given, ...given }));
  let output = '';
  return {
    home,
    output: () => output,
    order: {
      program: join(home, 'solution.py'),
      trainDir: join(home, 'train'),
      predictDir: join(home, 'predict'),
      outDir: join(home, 'out'),
      scratchDir: join(home, 'scratch'),
      paramsFile: join(home, 'params.json'),
      answers: [],
      seed: 1,
      threads: 1,
      timeoutMs: 120_000,
      memoryMib: 400,
      onOutput: (chunk) => {
        output += chunk;
      },
      signal: new AbortController().signal,
      ...rest,
    },
  };
}

/** How many processes of this machine have the word among their arguments. */
export async function countProcesses(word: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, index) => (lines[index] ?? '').split('\0').includes(word)).map(Number);
}
