import type { ExecutionContext, TestFn } from 'ava';
import { CRASH_POINTS } from '#test/faults/_crash-points.ts';
import type { CrashPointName } from '#test/faults/_crash-points.ts';
import { findBrokenInvariants } from '#test/_support/invariants.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { kubectl } from '../_kubectl.ts';
import { queryLedger } from '../_ledger.ts';
import { stubJob } from '../_plane.ts';
import type { DeployedPlane } from '../_plane.ts';
import { requireSetting } from '../_harness.ts';
import { changeFunction, setTicks } from '../_settings.ts';

const PATIENCE_MS = 420_000;
const BROKER_PARTS = ['mt-broker-ingress', 'mt-broker-filter', 'imc-dispatcher'];
/** Those that record what became of an attempt: between every two of their steps one of them dies once. */
const DYING = ['collector', 'reconciler'];
const RECORDING_STEPS = (Object.keys(CRASH_POINTS) as CrashPointName[]).filter(
  (name) => /^(claim|record|retry)/.test(name) && !name.includes('second'),
);

/** No invariant is broken once the plane has had time to become quiet. */
export async function assertInvariants(t: ExecutionContext<unknown>, plane: DeployedPlane, accepted: readonly string[]): Promise<void> {
  const { databaseUrl, artifacts } = plane;
  const check = () => findBrokenInvariants({ databaseUrl, artifacts, accepted, quiescent: true });
  await waitUntil('a quiet plane', async () => (await check()).length === 0, 180_000).catch(() => undefined);
  t.deepEqual(await check(), []);
}

/** Parts of the cluster and of the plane that are taken away under work. */
export function testFaults(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial("with the ticks off, the Job's own event brings the collector: an agent that sends no word is recorded", async (t) => {
    t.timeout(PATIENCE_MS);
    const plane = getPlane();
    await setTicks(false);
    const job = await plane.waitForEnd(await plane.submit(stubJob({ silent: true })));
    t.is(job.status, 'success', job.reason);
  });

  test.serial('with the source of Job events scaled to zero, the tick records the end', async (t) => {
    t.timeout(PATIENCE_MS);
    const plane = getPlane();
    await setTicks(false);
    const source = (await listSourceDeployments())[0] ?? '';
    await scale(source, 0);
    const id = await plane.submit(stubJob({ silent: true }));
    const isOver = async () => {
      const { items } = await plane.api.batch.listNamespacedJob({ namespace: 'runs', labelSelector: `kaggle-agent.dev/job-id=${id}` });
      return items.some(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Complete' && is === 'True'));
    };
    await waitUntil('the Job to be complete', isOver, PATIENCE_MS);
    t.is((await plane.readJob(id, 5)).completed_at, null, 'nobody has heard of the end');
    await setTicks(true);
    t.is((await plane.waitForEnd(id)).status, 'success');
    await scale(source, 1);
  });

  test.serial('broker pods deleted under work: nothing is lost', async (t) => {
    t.timeout(PATIENCE_MS);
    const plane = getPlane();
    await setTicks(true);
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 5; index += 1) ids.push(await plane.submit(stubJob({ steps: 3, msPerStep: 300 })));
      for (const part of BROKER_PARTS) {
        await kubectl([
          'delete',
          'pod',
          '--namespace',
          'knative-eventing',
          '--selector',
          await selectPart(part),
          '--wait=false',
          '--grace-period=0',
          '--force',
        ]);
      }
    }
    const jobs = await Promise.all(ids.map((id) => plane.waitForEnd(id)));
    t.deepEqual([...new Set(jobs.map(({ status }) => status))], ['success']);
    await assertInvariants(t, plane, ids);
  });

  test.serial(
    `the process of collector or reconciler killed at each of ${RECORDING_STEPS.length} places between its steps: every end is recorded once`,
    async (t) => {
      t.timeout(PATIENCE_MS + 300_000);
      const plane = getPlane();
      await setTicks(false);
      const image = requireSetting('KAGGLE_AGENT_TEST_AGENT_IMAGE');
      const undo = [];
      for (const name of DYING) undo.push(await changeFunction(name, { image, command: ['node', '/app/dying.cjs', name] }));
      const jobs = new Map<string, CrashPointName>();
      for (const crash of RECORDING_STEPS) {
        const fails = crash.startsWith('retry') ? { exitCode: 1, failAttempts: [1] } : {};
        jobs.set(await plane.submit(stubJob({ crash, steps: 1, ...fails })), crash);
      }
      const missing = async () => {
        const left: string[] = [];
        for (const [id, crash] of jobs) if ((await plane.artifacts.statObject(`crashes/${id}`)) === null) left.push(crash);
        return left;
      };
      // Hints that died with the collector come again only as ticks.
      await waitUntil('the first crashes', async () => (await missing()).length < jobs.size, 120_000);
      await setTicks(true);
      await waitUntil('every place to have been the last', async () => (await missing()).length === 0, PATIENCE_MS).catch(() => undefined);
      t.deepEqual(await missing(), [], 'places that were not reached');
      for (const each of undo) await each();
      for (const [id, crash] of jobs) {
        const job = await plane.waitForEnd(id);
        t.is(job.status, 'success', `${crash}: ${job.reason}`);
        t.is(job.attempt, crash.startsWith('retry') ? 2 : 1, crash);
      }
      const ends = await queryLedger(
        plane,
        `SELECT job_id, count(*)::int AS ends FROM job_events WHERE type = 'finished' AND job_id = ANY($1::uuid[]) GROUP BY job_id`,
        [[...jobs.keys()]],
      );
      t.deepEqual([...new Set(ends.map(({ ends: count }) => count))], [1]);
      await assertInvariants(t, plane, [...jobs.keys()]);
    },
  );
}

async function listSourceDeployments(): Promise<string[]> {
  const text = await kubectl([
    'get',
    'deployments',
    '--namespace',
    'plane',
    '--selector',
    'eventing.knative.dev/source=apiserver-source-controller',
    '--output',
    'name',
  ]);
  const names = text
    .trim()
    .split('\n')
    .filter((name) => name !== '');
  if (names.length !== 1) throw new Error(`expected one source of Job events, found ${names.length}`);
  return names;
}

async function scale(deployment: string, replicas: number): Promise<void> {
  await kubectl(['scale', '--namespace', 'plane', deployment, `--replicas=${replicas}`]);
  const read = ['get', '--namespace', 'plane', deployment, '--output', 'jsonpath={.status.replicas}'];
  await waitUntil(`${replicas} pods of ${deployment}`, async () => Number((await kubectl(read)).trim() || '0') === replicas, 120_000);
}

/** The label of a part of Knative's broker, as its own Deployment selects its pods. */
async function selectPart(deployment: string): Promise<string> {
  const text = await kubectl([
    'get',
    'deployment',
    '--namespace',
    'knative-eventing',
    deployment,
    '--output',
    'jsonpath={.spec.selector.matchLabels}',
  ]);
  const labels = JSON.parse(text) as Record<string, string>;
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
