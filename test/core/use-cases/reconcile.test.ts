import test from 'ava';
import { cancelJob } from '#core/use-cases/cancel.ts';
import { reconcile } from '#core/use-cases/reconcile.ts';
import { relayOutbox } from '#core/use-cases/relay.ts';
import { submitJob } from '#core/use-cases/submit.ts';
import { DEFAULT_LIMITS } from '#core/requests.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { v7 as newId } from 'uuid';
import { addJob, change, readJob } from '#test/_support/ledger.ts';
import { interrupt, openPlane } from './_plane.ts';
import type { UseCasePlane } from './_plane.ts';

const FOREVER = { timeBoxMs: 60_000, after: null } as const;

function tick(
  plane: UseCasePlane,
  changes: Partial<Parameters<typeof reconcile>[0]> = {},
  params: Parameters<typeof reconcile>[1] = FOREVER,
) {
  const sink = { send: async () => undefined };
  return reconcile({ ...plane.collectDeps, sink, wakeLauncher: async () => undefined, ...changes }, params);
}

test('a tick sends what was not sent, wakes the launcher for work, and repairs what no hint told', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  let woken = 0;
  const wakeLauncher = async () => {
    woken += 1;
    await plane.launch();
  };
  t.like(await tick(plane, { wakeLauncher }), { sent: 1, launcherWoken: true, repaired: 0, next: null });
  t.is(woken, 1);
  await plane.takeClaim(job);
  await plane.say(job, { type: 'started', seq: 1, at: new Date().toISOString(), podName: null });
  t.like(await tick(plane), { looked: 1, repaired: 1, launcherWoken: false });
  await plane.writeManifest(job);
  plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0 });
  t.like(await tick(plane), { repaired: 1 });
  t.like(await readJob(plane.store, job.id), { state: 'success' });
  t.is((await plane.store.readCounters())['reconcile_repairs'], 2);
});

test('one attempt’s trouble never stops the others', async (t) => {
  const plane = await openPlane(t);
  const [bad, good] = [await plane.addRunning(), await plane.addRunning()];
  for (const job of [bad, good]) {
    await plane.writeManifest(job);
    plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0 });
  }
  const runner = interrupt(plane.cluster, 'observe', () => Promise.reject('no Error at all'), 1);
  t.like(await tick(plane, { runner }), { failures: 1, repaired: 1 });
  t.like(await tick(plane), { failures: 0, repaired: 1 });
});

test('runs in the cluster that no open attempt explains are looked at over all pages, within the time', async (t) => {
  const plane = await openPlane(t);
  plane.cluster.pageSize = 2;
  for (let index = 0; index < 5; index += 1)
    plane.cluster.add({ jobName: `kaggle-stranger-${index}`, jobId: newId(), attempt: 1, specHash: 'x' });
  plane.cluster.end('kaggle-stranger-0', { recorded: true });
  t.like(await tick(plane), { looked: 4, repaired: 0 });
  t.is((await plane.store.readCounters())['unknown_cluster_jobs'], 4);
  let now = 0;
  const slow = { now: () => new Date(), monotonicMs: () => (now += 400) };
  t.true((await tick(plane, { clock: slow }, { timeBoxMs: 1900, after: null })).looked < 4);
});

test('a tick whose time is over says where the next one goes on', async (t) => {
  const plane = await openPlane(t);
  await plane.addLaunched();
  let now = 0;
  const slow = { now: () => new Date(), monotonicMs: () => (now += 1000) };
  const report = await tick(plane, { clock: slow }, { timeBoxMs: 1500, after: 'after' });
  t.like(report, { looked: 0, next: 'after' });
});

test('an event that was refused with no reason is sent again later', async (t) => {
  const plane = await openPlane(t);
  await addJob(plane.store);
  const relay = { ...plane.collectDeps, sink: { send: () => Promise.reject('no Error at all') } };
  t.deepEqual(await relayOutbox(relay, { jobId: null, limit: 10, timeBoxMs: 10_000 }), { sent: 0, failed: 1 });
  t.deepEqual(await relayOutbox(relay, { jobId: null, limit: 10, timeBoxMs: 10_000 }), { sent: 0, failed: 0 }, 'not due');
});

test('a cancel beside another writer is decided anew; beside one that never rests it is unavailable', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  const touch = async () => change(plane.store, await readJob(plane.store, job.id), {});
  const restless = interrupt(plane.store, 'changeJob', touch, 1000);
  await t.throwsAsync(cancelJob({ store: restless }, { tenant: null, jobId: job.id }), { code: 'unavailable' });
  t.is((await readJob(plane.store, job.id)).cancelRequestedAt, null);
  const busy = interrupt(plane.store, 'changeJob', touch, 2);
  t.false((await cancelJob({ store: busy }, { tenant: null, jobId: job.id })).ended);
  t.not((await readJob(plane.store, job.id)).cancelRequestedAt, null);
  await t.throwsAsync(cancelJob({ store: plane.store }, { tenant: 'another', jobId: job.id }), { code: 'job-not-found' });
});

test('a submit that draws taken names only is unavailable', async (t) => {
  const plane = await openPlane(t);
  const { id } = await addJob(plane.store);
  const body = { kaggle_url: 'https://www.kaggle.com/competitions/titanic' };
  const params = { tenant: 'default', body, idempotencyKey: null, request: null, traceparent: null };
  const deps = { store: plane.store, newId: () => `${newId().slice(0, 28)}${id.slice(28)}`, hash: sha256Hex, limits: DEFAULT_LIMITS };
  await t.throwsAsync(submitJob(deps, params), { code: 'unavailable', message: /No free job name/ });
});
