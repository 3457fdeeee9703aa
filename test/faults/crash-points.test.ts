import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import type { JobView } from '#core/responses.ts';
import { CRASH_POINTS } from './_crash-points.ts';
import type { CrashPointName } from './_crash-points.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';
import { findBrokenInvariants } from '#test/_support/invariants.ts';
import { findProcessesOf, makeTempDir, startPlaneProcess, STUB_AGENT, waitForFinal } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

/** What the client does, and how the job must end, by the first word of the crash point's name. */
const SCENARIOS = {
  submit: { hint: { steps: 1 }, cancel: false, status: 'success', attempts: 1 },
  launch: { hint: { steps: 1 }, cancel: false, status: 'success', attempts: 1 },
  claim: { hint: { steps: 1 }, cancel: false, status: 'success', attempts: 1 },
  record: { hint: { steps: 1 }, cancel: false, status: 'success', attempts: 1 },
  cancel: { hint: { steps: 100_000, msPerStep: 20 }, cancel: true, status: 'cancelled', attempts: 1 },
  retry: { hint: { steps: 1, exitCode: 1, failAttempts: [1] }, cancel: false, status: 'success', attempts: 2 },
} as const;

type Scenario = (typeof SCENARIOS)[keyof typeof SCENARIOS];

for (const name of Object.keys(CRASH_POINTS) as CrashPointName[]) {
  const scenario: Scenario = SCENARIOS[name.split(':')[0] as keyof typeof SCENARIOS];
  test.serial(`killed at "${name}", the job still ends ${scenario.status}, once`, async (t) => {
    const job = await runThroughCrash(t, name, scenario);
    t.is(job.status, scenario.status, job.reason);
    t.is(job.attempt, scenario.attempts);
  });
}

async function runThroughCrash(t: ExecutionContext<unknown>, crashPoint: CrashPointName, scenario: Scenario): Promise<JobView> {
  const dataDir = await makeTempDir(t, 'crash');
  const database = await createTestDatabase(t);
  const settings = {
    dataDir,
    databaseUrl: database.url,
    cap: 2,
    tickMs: 100,
    launchLeaseMs: 500,
    agentEntry: STUB_AGENT,
    dropEvents: false,
  };
  const first = await startPlaneProcess({ ...settings, crashPoint });
  t.teardown(() => first.kill());
  // The answer may be lost with the process: the key makes the second try the same request.
  const submit = (url: string) => submitWithKey(url, crashPoint, scenario);
  const id = await submit(first.url).catch(() => null);
  if (scenario.cancel && id !== null) await cancelWhenRunning(first.url, id);
  t.is(await first.ended, 'SIGKILL', 'the crash point was reached');
  const second = await startPlaneProcess({ ...settings, crashPoint: null });
  t.teardown(() => second.kill());
  const accepted = id ?? (await submit(second.url));
  const job = await waitForFinal(second.url, accepted);
  const artifacts = createDirectoryStore({ root: join(dataDir, 'objects') });
  const check = () => findBrokenInvariants({ databaseUrl: database.url, artifacts, accepted: [accepted], quiescent: true });
  // The end is recorded before the slot is noted as free and the last event is marked: a tick may lie between.
  await waitUntil('a quiet plane', async () => (await check()).length === 0, 10_000).catch(() => undefined);
  t.deepEqual(await check(), []);
  await second.stop();
  t.deepEqual(await findProcessesOf(dataDir), []);
  return job;
}

async function submitWithKey(url: string, key: string, scenario: Scenario): Promise<string> {
  const response = await fetch(`${url}/run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key.replaceAll(/[^a-z ]/gi, '').slice(0, 80) },
    body: JSON.stringify({ kaggle_url: 'https://www.kaggle.com/c/titanic', hint: JSON.stringify(scenario.hint) }),
  });
  return ((await response.json()) as { job_id: string }).job_id;
}

async function cancelWhenRunning(url: string, id: string): Promise<void> {
  await waitUntil('a running job', async () => {
    const response = await fetch(`${url}/status/${id}`);
    return ((await response.json()) as { status: string }).status === 'running';
  });
  // The plane may die while it answers.
  await fetch(`${url}/jobs/${id}`, { method: 'DELETE' }).catch(() => undefined);
}
