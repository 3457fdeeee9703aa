import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { buildTriggers } from '#adapters/broker/triggers.ts';
import { createInProcessBroker } from '#adapters/broker/in-process.ts';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import { RunAccepted } from '#core/responses.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';
import { KAGGLE_URL, STUB_AGENT, makeTempDir, readStatus } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const FUNCTIONS = ['submit', 'status', 'result', 'job-launcher', 'collector', 'reconciler', 'dead-letter'] as const;
type FunctionName = (typeof FUNCTIONS)[number];
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Starts one function's `main.ts` with nothing but its own settings; resolves with its address. Ended by SIGTERM, which must exit 0. */
async function startFunction(t: ExecutionContext<unknown>, name: FunctionName, env: Readonly<Record<string, string>>): Promise<string> {
  const main = fileURLToPath(new URL(`../../functions/${name}/main.ts`, import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...env, PORT: '0', PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise<number | string | null>((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
  t.teardown(async () => {
    child.kill('SIGTERM');
    const how = await ended;
    if (how !== 0) throw new Error(`${name} did not stop well (${how}): ${output.slice(-1000)}`);
  });
  return new Promise((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const url = /"url":"([^"]+)","msg":"listening"/.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    void ended.then((how) => reject(new Error(`${name} ended (${how}): ${output}`)));
  });
}

test('each function as a process of its own, joined by brokers alone, takes a job to its end', async (t) => {
  const dir = await makeTempDir(t, 'separate');
  const database = await createTestDatabase(t);
  const brokers = (['intake', 'signals'] as const).map((name) => createInProcessBroker({ name, triggers: [], logger }));
  const [intake, signals] = brokers;
  if (intake === undefined || signals === undefined) throw new Error('two brokers were made');
  for (const broker of brokers) {
    await broker.listen();
    t.teardown(() => broker.close());
  }
  await writeFile(join(dir, 'plane.key'), randomBytes(32).toString('hex'), { mode: 0o600 });
  const env = {
    KAGGLE_AGENT_DATABASE_URL: database.url,
    KAGGLE_AGENT_STORAGE_URL: pathToFileURL(join(dir, 'objects')).href,
    KAGGLE_AGENT_ATTEMPTS_DIR: join(dir, 'attempts'),
    KAGGLE_AGENT_PLANE_KEY_FILE: join(dir, 'plane.key'),
    KAGGLE_AGENT_INTAKE_URL: intake.url,
    KAGGLE_AGENT_SIGNALS_URL: signals.url,
    KAGGLE_AGENT_AGENT_ENTRY: STUB_AGENT,
    KAGGLE_AGENT_CAP: '2',
  };
  const launcher = await startFunction(t, 'job-launcher', env);
  const rest = FUNCTIONS.filter((name) => name !== 'job-launcher');
  const started = await Promise.all(
    rest.map(async (name) => [name, await startFunction(t, name, { ...env, KAGGLE_AGENT_LAUNCHER_URL: launcher })] as const),
  );
  const urls = Object.fromEntries(started) as Record<FunctionName, string>;
  const targets = { submit: urls.submit, jobLauncher: launcher, collector: urls.collector, deadLetter: urls['dead-letter'] };
  intake.setTriggers(buildTriggers('intake', targets));
  signals.setTriggers(buildTriggers('signals', targets));
  const response = await fetch(`${urls.submit}/run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kaggle_url: KAGGLE_URL }),
  });
  const { job_id: id } = RunAccepted.parse(await response.json());
  const job = await waitUntil('the end of the job', async () => {
    // The tick, as PingSource would send it: here it only repairs.
    await fetch(urls.reconciler, { method: 'POST', body: '{}' }).then((answer) => answer.body?.cancel());
    const now = await readStatus(urls.status, id);
    return now.completed_at === null ? null : now;
  });
  t.is(job.status, 'success', job.reason);
  const file = await fetch(`${urls.result}/result/${id}/submission.csv`);
  t.is(await file.text(), 'id,y\n1,1\n2,0\n');
  const runner = createProcessRunner({
    dir: join(dir, 'attempts'),
    command: () => ({ file: '', args: [], env: {} }),
    limits: { agentMemoryMib: 1, outputBytes: 1 },
    graceMs: 1,
    onChange: () => undefined,
    logger,
  });
  t.teardown(() => runner.close());
  await waitUntil('no process of the attempt', async () =>
    (await runner.list({ cursor: null, limit: 10 })).items.every((run) => !run.alive),
  );
});

test('a function that misses a setting says which in one line, and does not start', async (t) => {
  const error = await t.throwsAsync(startFunctionAlone('job-launcher', { KAGGLE_AGENT_DATABASE_URL: 'postgres://127.0.0.1/none' }));
  t.regex(error.message, /KAGGLE_AGENT_PLANE_KEY_FILE is missing/);
  t.notRegex(error.message, /\n\s+at /);
});

function startFunctionAlone(name: FunctionName, env: Readonly<Record<string, string>>): Promise<never> {
  const main = fileURLToPath(new URL(`../../functions/${name}/main.ts`, import.meta.url));
  const child = spawn(process.execPath, [main], { env: { ...env, PORT: '0' }, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((_, reject) => child.once('close', (code) => reject(new Error(`${code}: ${output.trim()}`))));
}
