import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { startLocalPlane } from '#local/plane.ts';
import type { LocalPlane, LocalPlaneOptions } from '#local/plane.ts';
import type { PlaneSettings } from '#test/faults/_plane-main.ts';
import { JobView } from '#core/responses.ts';
import { createTestDatabase } from './postgres.ts';
import { waitUntil } from './wait-until.ts';

export const STUB_AGENT = fileURLToPath(new URL('../fixtures/agents/stub-agent.ts', import.meta.url));
export const KAGGLE_URL = 'https://www.kaggle.com/competitions/titanic';

/** A temporary folder that goes with the test. */
export async function makeTempDir(t: ExecutionContext<unknown>, name: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `ka-${name}-`));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A plane in this process with a database of its own and the stub agent; closed, and its runs ended, with the test. */
export async function startTestPlane(t: ExecutionContext<unknown>, options: Partial<LocalPlaneOptions> = {}): Promise<LocalPlane> {
  const dataDir = options.dataDir ?? (await makeTempDir(t, 'plane'));
  const database = options.databaseUrl ?? (await createTestDatabase(t)).url;
  const plane = await startLocalPlane({
    dataDir,
    databaseUrl: database,
    port: 0,
    cap: 4,
    tickMs: 200,
    logLevel: 'info',
    agent: { entry: STUB_AGENT },
    ...options,
  });
  t.teardown(() => plane.close({ endAttempts: true }));
  return plane;
}

/** A plane as a process. `killed` resolves with the signal or code that ended it. */
export interface PlaneProcess {
  readonly url: string;
  readonly pid: number;
  readonly ended: Promise<NodeJS.Signals | number | null>;
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL('../faults/_plane-main.ts', import.meta.url));

/** Starts a plane as a process and waits until it listens. Throws with its output when it ends before. */
export async function startPlaneProcess(settings: PlaneSettings): Promise<PlaneProcess> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, PLANE_SETTINGS: JSON.stringify(settings) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<NodeJS.Signals | number | null>((resolve) => child.once('close', (code, signal) => resolve(signal ?? code)));
  let output = '';
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const match = /^ready (\S+)$/m.exec(output);
      if (match?.[1] !== undefined) resolve(match[1]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then((how) => reject(new Error(`the plane ended (${how}) before it was ready: ${output.slice(-2000)}`)));
  });
  const pid = child.pid ?? 0;
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return { url, pid, ended, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

/** Sends `POST /run` and returns the job's id; throws unless it is 201. */
export async function submitTo(url: string, body: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const response = await fetch(`${url}/run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kaggle_url: KAGGLE_URL, ...body }),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`POST /run answered ${response.status}: ${text}`);
  return (JSON.parse(text) as { job_id: string }).job_id;
}

/** The job as `GET /status/{id}` shows it. */
export async function readStatus(url: string, id: string): Promise<JobView> {
  const response = await fetch(`${url}/status/${id}`);
  return JobView.parse(await response.json());
}

/** Waits until a job is final and returns it. */
export async function waitForFinal(url: string, id: string, timeoutMs = 30_000): Promise<JobView> {
  let last = 'never seen';
  try {
    return await waitUntil(
      `the end of job ${id}`,
      async () => {
        const job = await readStatus(url, id).catch(() => null);
        if (job !== null) last = `${job.status} (${job.reason})`;
        return job?.completed_at == null ? null : job;
      },
      timeoutMs,
    );
  } catch (error) {
    throw new Error(`job ${id} did not end in ${timeoutMs} ms; it is ${last}`, { cause: error });
  }
}

/** Processes whose environment or command line names a folder: what a test has left behind. */
export async function findProcessesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const text = await Promise.all(['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')));
    if (text.some((part) => part.includes(folder))) found.push(`${pid} ${text[0]?.replaceAll('\0', ' ').slice(0, 120) ?? ''}`);
  }
  return found;
}
