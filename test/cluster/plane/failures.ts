import type { TestFn } from 'ava';
import { LABELS } from '#adapters/cluster/kubernetes/labels.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { stubJob } from '../_plane.ts';
import type { DeployedPlane } from '../_plane.ts';
import { changePods, changeQuota, changeFunction, setTicks } from '../_settings.ts';
import { assertInvariants } from './faults.ts';

const PATIENCE_MS = 420_000;

/** The pod of a job's attempt, once its agent is at work. An agent can be heard before the kubelet has said that its pod runs. */
async function findRunningPod(plane: DeployedPlane, id: string): Promise<string> {
  await plane.waitForJob(id, 'the job to run', (job) => job.status === 'running');
  return waitUntil(`the pod of job ${id} to run`, async () => {
    const { items } = await plane.api.core.listNamespacedPod({ namespace: 'runs', labelSelector: `${LABELS.jobId}=${id}` });
    return items.find(({ status }) => status?.phase === 'Running')?.metadata?.name;
  });
}

/** What the cluster does to an attempt, seen through the whole plane: its state, its reason, and whether it is tried again. */
export function testFailures(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial('out of memory, an eviction, a deleted pod, a crash and a limit overrun end as designed', async (t) => {
    t.timeout(PATIENCE_MS + 60_000);
    const plane = getPlane();
    await setTicks(true);
    const long = { steps: 400, msPerStep: 300 };
    const submit = async (knobs: Readonly<Record<string, unknown>>, timeLimitS?: number) => plane.submit(stubJob(knobs, timeLimitS));
    const ids = {
      always: await submit({ hogMemory: true }),
      once: await submit({ hogMemory: true, failAttempts: [1] }),
      evicted: await submit({ ...long, steps: 60 }),
      deleted: await submit({ ...long, steps: 60 }),
      crashed: await submit({ exitCode: 1 }),
      badInput: await submit({ exitCode: 64 }),
      overrun: await submit({ ...long, ignoreTerm: true, steps: 2000 }, 30),
    };
    const evict = async () => {
      const name = await findRunningPod(plane, ids.evicted);
      await plane.api.core.createNamespacedPodEviction({ name, namespace: 'runs', body: { metadata: { name } } });
    };
    const remove = async () => {
      await plane.api.core.deleteNamespacedPod({ name: await findRunningPod(plane, ids.deleted), namespace: 'runs' });
    };
    await Promise.all([evict(), remove()]);

    const always = await plane.waitForEnd(ids.always);
    t.like(always, { status: 'failed', attempt: 3, error: { code: 'out-of-memory', turn: 'operator' } }, always.reason);
    t.regex(always.reason, /out of memory \(limit \d+Mi\)/);
    const once = await plane.waitForEnd(ids.once);
    t.like(once, { status: 'success', attempt: 2, resources_requested: { memory: '384Mi' } }, once.reason);
    for (const id of [ids.evicted, ids.deleted]) {
      const job = await plane.waitForEnd(id);
      t.like(job, { status: 'success', attempt: 2 }, job.reason);
    }
    const crashed = await plane.waitForEnd(ids.crashed);
    t.like(crashed, { status: 'failed', attempt: 2, error: { code: 'crashed' } }, crashed.reason);
    const badInput = await plane.waitForEnd(ids.badInput);
    t.like(badInput, { status: 'failed', attempt: 1, error: { code: 'bad-input', turn: 'caller' } }, badInput.reason);
    const overrun = await plane.waitForEnd(ids.overrun);
    t.like(overrun, { status: 'timeout', attempt: 1, partial: true, error: { code: 'deadline' } }, overrun.reason);
    t.regex(overrun.reason, /cut off/);
    await assertInvariants(t, plane, Object.values(ids));
  });

  test.serial('a used-up quota, a node too small and an image that is not there are waited for, and say so', async (t) => {
    t.timeout(PATIENCE_MS);
    const plane = getPlane();
    await setTicks(true);
    const undoQuota = await changeQuota('count/jobs.batch', '0');
    const overQuota = await plane.submit(stubJob());
    const refused = await plane.waitForJob(overQuota, 'the quota to be told', ({ reason }) => reason.includes('quota'));
    t.like(refused, { status: 'pending', attempt: 1 });
    await undoQuota();
    const tooLarge = await plane.submit({ ...stubJob(), resources: { cpu: '2', memory: '256Mi' } });
    const unschedulable = await plane.waitForJob(tooLarge, 'the scheduler to be quoted', ({ reason }) => reason.includes('no node'));
    t.is(unschedulable.status, 'queued');
    t.regex(unschedulable.reason, /^waiting: no node can take it: .*Insufficient cpu/);
    t.is((await plane.cancel(tooLarge)).status, 200);
    t.is((await plane.waitForEnd(overQuota)).status, 'success', 'it starts once the quota allows it');
    t.is((await plane.waitForEnd(tooLarge)).status, 'cancelled');

    const undoImage = await changeFunction('job-launcher', { env: { KAGGLE_AGENT_AGENT_IMAGE: 'dev.local/no-such-image:1' } });
    const noImage = await plane.submit(stubJob());
    const waiting = await plane.waitForJob(noImage, 'the image to be named', ({ reason }) => reason.includes('pulled'));
    t.is(waiting.status, 'queued');
    t.regex(waiting.reason, /^waiting: the image dev\.local\/no-such-image:1 can't be pulled/);
    await undoImage();
    t.is((await plane.cancel(noImage)).status, 200);
    t.is((await plane.waitForEnd(noImage)).status, 'cancelled');
    await assertInvariants(t, plane, [overQuota, tooLarge, noImage]);
  });
}

/** Jobs that are taken back at each of their stages. */
export function testCancel(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial(
    'cancel while pending, queued and running: the pods are gone within the grace, and nothing is written after the end',
    async (t) => {
      t.timeout(PATIENCE_MS);
      const plane = getPlane();
      await setTicks(true);
      await changePods({ graceS: 5 });
      const running = await plane.submit(stubJob({ steps: 2000, msPerStep: 200, ignoreTerm: true }));
      await findRunningPod(plane, running);
      const queued = await plane.submit({ ...stubJob(), resources: { cpu: '2', memory: '256Mi' } });
      await plane.waitForJob(queued, 'the job to be queued', ({ status }) => status === 'queued');
      const undoQuota = await changeQuota('count/jobs.batch', '0');
      const pending = await plane.submit(stubJob());
      for (const id of [pending, queued, running]) t.is((await plane.cancel(id)).status, 200);
      const cancelledMs = performance.now();
      const countPods = async (id: string) => {
        const { items } = await plane.api.core.listNamespacedPod({ namespace: 'runs', labelSelector: `${LABELS.jobId}=${id}` });
        return items.length;
      };
      await waitUntil('the pods to be gone', async () => (await countPods(running)) + (await countPods(queued)) === 0, PATIENCE_MS);
      t.log(`pods gone after ${Math.round(performance.now() - cancelledMs)} ms; the grace is 5 s and this agent ignores SIGTERM`);
      for (const id of [pending, queued, running]) {
        const job = await plane.waitForEnd(id);
        t.is(job.status, 'cancelled', job.reason);
      }
      await undoQuota();
      await assertInvariants(t, plane, [pending, queued, running]);
      const look = async () => ({
        jobs: await Promise.all([pending, queued, running].map((id) => plane.readJob(id, 0))),
        objects: (await plane.artifacts.listObjects({ prefix: `jobs/${running}/`, after: null, limit: 5000 })).map(({ key }) => key),
      });
      const atEnd = await look();
      // Another job goes its whole way through the same functions meanwhile.
      const later = await plane.submit(stubJob({ steps: 1 }));
      await plane.waitForEnd(later);
      t.deepEqual(await look(), atEnd, 'nothing was written after the end');
    },
  );
}
