import test from 'ava';
import type { ExecutionContext } from 'ava';
import { keys } from '#core/names.ts';
import { RunnerError } from '#core/ports.ts';
import type { RunOrder } from '#core/ports.ts';
import { stopAttempts } from '#core/use-cases/stop.ts';
import { cancelJob } from '#core/use-cases/cancel.ts';
import { addJob, change, readJob } from '#test/_support/ledger.ts';
import { interrupt, openPlane } from './_plane.ts';
import type { UseCasePlane } from './_plane.ts';

const busy = (retryAfterMs: number | null = null) => new RunnerError('busy', 'too many requests', retryAfterMs);

function throwFor(plane: UseCasePlane, error: Error, isAfterEffect = false): void {
  plane.cluster.onCreate = (order: RunOrder) => {
    if (isAfterEffect) plane.cluster.add(order);
    throw error;
  };
}

async function readTypes(plane: UseCasePlane, jobId: string): Promise<string[]> {
  return (await plane.store.readHistory({ jobId, afterSeq: 0, limit: 100 })).map(({ type }) => type);
}

test('a job whose slot is free is created in the cluster and queued', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  t.deepEqual(await plane.launch(), { launched: 1, deferred: 0, refused: 0 });
  const { job: now, attempt } = await plane.read(job);
  t.like(now, { state: 'queued', reason: 'waiting for a node', launchTries: 0 });
  t.like(attempt, { state: 'launched', slotHeld: true, clusterUid: `uid-${job.jobName}`, leaseUntil: null });
});

test('a busy cluster gives the slot back and lets the job wait as long as it was told, with no attempt used', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, busy(3_600_000));
  t.deepEqual(await plane.launch(), { launched: 0, deferred: 1, refused: 0 });
  const { job: now, attempt, now: at } = await plane.read(job);
  t.like(now, { state: 'pending', attempt: 1, launchTries: 1, failedAttempts: 0 });
  t.regex(now.reason, /^waiting: the cluster takes no more work just now \(too many requests\)$/);
  t.like(attempt, { state: 'waiting', slotHeld: false, leaseUntil: null });
  t.true((now.notBefore?.getTime() ?? 0) - at.getTime() > 3_500_000);
  t.deepEqual(await plane.launch(), { launched: 0, deferred: 0, refused: 0 }, 'not due yet');
});

test('without a word from the cluster the wait grows with every try', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, busy());
  const waits: number[] = [];
  for (let tries = 0; tries < 3; tries += 1) {
    await plane.launch();
    const { job: now, now: at } = await plane.read(job);
    waits.push((now.notBefore?.getTime() ?? 0) - at.getTime());
    await plane.database.admin.query('UPDATE jobs SET not_before = NULL');
  }
  t.true((waits[1] ?? 0) > (waits[0] ?? 0) && (waits[2] ?? 0) > (waits[1] ?? 0), String(waits));
  t.is((await readJob(plane.store, job.id)).launchTries, 3);
});

test('an error that came after the effect is a launch', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, busy(), true);
  t.deepEqual(await plane.launch(), { launched: 1, deferred: 0, refused: 0 });
  t.like((await plane.read(job)).attempt, { state: 'launched', slotHeld: true });
});

test('a run of another spec under the name is no launch of ours', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  plane.cluster.onCreate = (order) => {
    plane.cluster.add({ ...order, specHash: 'another' });
    throw busy();
  };
  t.deepEqual(await plane.launch(), { launched: 0, deferred: 1, refused: 0 });
  t.like((await plane.read(job)).attempt, { state: 'waiting', slotHeld: false });
});

/** Another writer changes the job just before our change: ours must be decided anew, on what is there now. */
function writeBetween(plane: UseCasePlane, jobId: string, times = 1) {
  return interrupt(
    plane.store,
    'changeJob',
    async () => change(plane.store, await readJob(plane.store, jobId), { change: { reason: 'another was here' } }),
    times,
  );
}

test('a busy cluster and another writer: the job waits all the same', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, busy());
  t.like(await plane.launch({ store: writeBetween(plane, job.id) }), { deferred: 1 });
  t.like((await plane.read(job)).attempt, { state: 'waiting', slotHeld: false });
  t.deepEqual(await readTypes(plane, job.id), ['submitted', 'launching', 'progressed', 'requeued']);
});

test('a job that goes on changing is left to the next look, its slot still held', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, busy());
  t.like(await plane.launch({ store: writeBetween(plane, job.id, 1000) }), { deferred: 1 });
  t.like((await plane.read(job)).attempt, { state: 'launching', slotHeld: true });
});

test('a busy answer for an agent that runs already changes nothing', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, busy());
  const store = interrupt(plane.store, 'changeJob', async () =>
    change(plane.store, await readJob(plane.store, job.id), { change: { state: 'running' }, attempt: { state: 'claimed' } }),
  );
  t.like(await plane.launch({ store }), { deferred: 1 });
  t.like(await readJob(plane.store, job.id), { state: 'running', launchTries: 0 });
});

test('a cluster that will never take the spec fails the job; it is the operator’s turn', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, new RunnerError('refused', 'cpu: must be less than the limit'));
  t.deepEqual(await plane.launch(), { launched: 0, deferred: 0, refused: 1 });
  const { job: now, attempt } = await plane.read(job);
  t.like(now, { state: 'failed', error: { code: 'spec-refused', turn: 'operator' } });
  t.regex(now.error?.message ?? '', /^The cluster refused the Job: cpu: must be less than the limit\. Change the request/);
  t.like(attempt, { state: 'ended', slotHeld: false, outcome: 'spec-refused', recordedInCluster: true });
  const claim = await plane.artifacts.readObject(keys.claim(job.id, 1), 1000);
  t.is(new TextDecoder().decode(claim ?? undefined), '{"by":"recorder","attempt":1}', 'no agent of it can start any more');
});

test('a refusal and another writer: the job fails all the same', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  throwFor(plane, new RunnerError('mismatch', 'the name is taken'));
  await plane.launch({ store: writeBetween(plane, job.id) });
  t.like(await readJob(plane.store, job.id), { state: 'failed' });
});

test('a refusal of what an agent has claimed ends nothing: its Job exists', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  await plane.takeClaim(job);
  throwFor(plane, new RunnerError('mismatch', 'the name is taken'));
  t.like(await plane.launch(), { refused: 1 });
  t.like(await readJob(plane.store, job.id), { state: 'pending' });
});

test('an error that is not the cluster’s is not taken for one', async (t) => {
  const plane = await openPlane(t);
  await addJob(plane.store);
  throwFor(plane, new TypeError('a fault of ours'));
  await t.throwsAsync(plane.launch(), { message: 'a fault of ours' });
});

/** A launcher that claimed a slot and died. */
async function addAbandoned(plane: UseCasePlane) {
  const job = await addJob(plane.store);
  await plane.launch({ runner: interrupt(plane.cluster, 'create', () => Promise.reject(new Error('died'))) }).catch(() => undefined);
  await plane.age(job, 'lease_until', 1000);
  return job;
}

test('a launch that was abandoned is taken over', async (t) => {
  const plane = await openPlane(t);
  const job = await addAbandoned(plane);
  t.like(await plane.launch(), { launched: 1 });
  t.like((await plane.read(job)).attempt, { state: 'launched' });
});

test('an abandoned launch of a job that was cancelled is not made up for', async (t) => {
  const plane = await openPlane(t);
  const job = await addAbandoned(plane);
  t.false((await cancelJob({ store: plane.store }, { tenant: null, jobId: job.id })).ended, 'its slot is held');
  t.like(await plane.launch(), { deferred: 1 });
  t.like((await plane.read(job)).attempt, { state: 'waiting', slotHeld: false });
  t.is(plane.cluster.runs.size, 0);
  await plane.collect(job);
  t.like(await readJob(plane.store, job.id), { state: 'cancelled' });
});

test('the report of a launch is made anew when another wrote first, and only the uid is noted when the agent was faster', async (t) => {
  const plane = await openPlane(t);
  const first = await addJob(plane.store);
  await plane.launch({ store: writeBetween(plane, first.id) });
  t.like(await readJob(plane.store, first.id), { state: 'queued' });
  const second = await addJob(plane.store);
  const store = interrupt(plane.store, 'changeJob', async () =>
    change(plane.store, await readJob(plane.store, second.id), { change: { state: 'running' }, attempt: { state: 'claimed' } }),
  );
  await plane.launch({ store });
  const { job, attempt } = await plane.read(second);
  t.like(job, { state: 'running' });
  t.like(attempt, { state: 'claimed', clusterUid: `uid-${second.jobName}` });
});

async function stop(t: ExecutionContext, plane: UseCasePlane): Promise<number> {
  const { removed } = await stopAttempts(plane.collectDeps);
  t.is(plane.cluster.removed.length, removed);
  return removed;
}

const LONG_MS = 3_600_000 - 60_000;

test('an attempt that did not start in time is removed, with the reason noted first', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  await plane.age(job, 'launched_at', LONG_MS);
  t.is(await stop(t, plane), 1);
  t.like((await plane.read(job)).attempt, { removeReason: 'cannot-start', state: 'launched' });
  t.is((await stopAttempts(plane.collectDeps)).removed, 0, 'it is being deleted already');
});

test('a claim in storage contradicts that an attempt did not start', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  await plane.age(job, 'launched_at', LONG_MS);
  await plane.takeClaim(job);
  t.is(await stop(t, plane), 0);
});

test('silence is confirmed in storage before anything is removed', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await plane.age(job, 'last_event_at', 20 * 60_000);
  const at = new Date().toISOString();
  await plane.say(job, { type: 'exited', seq: 2, at, exitCode: 0, error: null, progress: null });
  t.is(await stop(t, plane), 0, 'it has spoken, and the ledger is behind');
  const silent = await plane.addRunning();
  await plane.age(silent, 'last_event_at', 20 * 60_000);
  t.is(await stop(t, plane), 1);
  t.deepEqual(plane.cluster.removed, [silent.jobName]);
});

test('what is not in the cluster, or is over there, is not removed', async (t) => {
  const plane = await openPlane(t);
  const gone = await plane.addLaunched();
  plane.cluster.runs.delete(gone.jobName);
  const over = await plane.addLaunched();
  plane.cluster.end(over.jobName, {});
  for (const job of [gone, over]) await plane.age(job, 'launched_at', LONG_MS);
  t.is(await stop(t, plane), 0);
});

test('what has ended between the look and the removal is not removed', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  await plane.age(job, 'launched_at', LONG_MS);
  const store = interrupt(plane.store, 'changeAttempt', () => plane.database.admin.query(`UPDATE attempts SET state = 'ended'`));
  t.is((await stopAttempts({ ...plane.collectDeps, store })).removed, 0);
  t.deepEqual(plane.cluster.removed, []);
});
