import test from 'ava';
import { sha256Hex } from '#adapters/hashing.ts';
import { keys } from '#core/names.ts';
import type { FailureCode, Job } from '#core/job.ts';
import { cancelJob } from '#core/use-cases/cancel.ts';
import { collectAttempt, collectByName } from '#core/use-cases/collect.ts';
import { stopAttempts } from '#core/use-cases/stop.ts';
import { addJob, change, readJob } from '#test/_support/ledger.ts';
import { POLICY, SUBMISSION, interrupt, openPlane } from './_plane.ts';
import type { UseCasePlane } from './_plane.ts';

const AT = '2026-01-01T00:00:00.000Z';

test('an attempt or a name that nobody knows changes nothing; the name is counted', async (t) => {
  const plane = await openPlane(t);
  const job = await addJob(plane.store);
  t.deepEqual(await plane.collect(job), { kind: 'unknown' }, 'it has no attempt yet');
  t.deepEqual(await collectByName(plane.collectDeps, 'kaggle-stranger-00000000'), { kind: 'unknown' });
  t.deepEqual(await plane.store.readCounters(), { unknown_cluster_jobs: 1 });
  const launched = await plane.addLaunched();
  t.deepEqual(await collectByName(plane.collectDeps, launched.jobName), { kind: 'unchanged' });
});

test('the reason why an attempt waits is told once, and only while it waits', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  plane.cluster.change(job.jobName, { reason: 'waiting: no node has 8 CPUs free' });
  await plane.collect(job);
  await plane.collect(job);
  const lines = await plane.store.readHistory({ jobId: job.id, afterSeq: 0, limit: 100 });
  t.is(lines.filter(({ message }) => message === 'waiting: no node has 8 CPUs free').length, 1);
  await cancelJob({ store: plane.store }, { tenant: null, jobId: job.id });
  plane.cluster.change(job.jobName, { reason: 'waiting: for something else' });
  await plane.collect(job);
  t.is((await readJob(plane.store, job.id)).reason, 'cancelling: waiting for the attempt to stop');
});

test('a result of an attempt that still lives is recorded after a while, and its slot is held until it has gone', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await plane.writeManifest(job, {}, 5_000);
  t.deepEqual(await plane.collect(job), { kind: 'unchanged' }, 'it is about to end by itself');
  const late = await plane.addRunning();
  await plane.writeManifest(late, {}, 20_000);
  t.deepEqual(await plane.collect(late), { kind: 'recorded' });
  const { job: now, attempt } = await plane.read(late);
  t.like(now, { state: 'success', reason: 'done: 2 solutions, auc 0.80000' });
  t.is(now.result?.files[0]?.sha256, sha256Hex(SUBMISSION));
  t.like(attempt, { state: 'ended', outcome: 'success', slotHeld: true });
  t.deepEqual(await plane.collect(late), { kind: 'unchanged' }, 'it lives on, and holds its slot');
  plane.cluster.end(late.jobName, { phase: 'succeeded' });
  t.deepEqual(await plane.collect(late), { kind: 'settled' });
  t.like((await plane.read(late)).attempt, { slotHeld: false, recordedInCluster: true });
  t.true(plane.cluster.runs.get(late.jobName)?.recorded);
  t.deepEqual(await plane.collect(late), { kind: 'unchanged' });
});

test('a fallback is called one', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await plane.writeManifest(job, { quality: 'fallback', cv: null });
  plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0 });
  t.deepEqual(await plane.collect(job), { kind: 'recorded' });
  t.is((await readJob(plane.store, job.id)).reason, 'done: 2 solutions (fallback: constant predictions, no model worked)');
});

test('a run that appears after its slot was given back is adopted', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  await plane.database.admin.query(`UPDATE attempts SET state = 'waiting', slot_held = false, cluster_uid = NULL`);
  t.deepEqual(await plane.collect(job), { kind: 'progressed' });
  t.like((await plane.read(job)).attempt, { state: 'launched', slotHeld: true, clusterUid: `uid-${job.jobName}` });
  t.is((await plane.store.readCounters())['adopted_runs'], 1);
  await plane.database.admin.query('UPDATE attempts SET slot_held = false');
  t.deepEqual(await plane.collect(job), { kind: 'progressed' });
  t.like((await plane.read(job)).attempt, { state: 'launched', slotHeld: true });
});

test('an unclaimed attempt that is gone from the cluster is left to its launcher, or goes back in line under its number', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  plane.cluster.runs.delete(job.jobName);
  for (const state of ['launching', 'waiting']) {
    await plane.database.admin.query(`UPDATE attempts SET state = $1`, [state]);
    t.deepEqual(await plane.collect(job), { kind: 'unchanged' }, state);
  }
  await plane.database.admin.query(`UPDATE attempts SET state = 'launched'`);
  t.deepEqual(await plane.collect(job), { kind: 'requeued' });
  const { job: now, attempt } = await plane.read(job);
  t.like(now, { state: 'pending', attempt: 1, failedAttempts: 0, startFailures: 0, queuedAt: null });
  t.is(now.reason, 'waiting: its Job disappeared before it started');
  t.like(attempt, { state: 'waiting', slotHeld: false, clusterUid: null });
});

async function removeUnstarted(plane: UseCasePlane, job: Job): Promise<void> {
  await plane.age(job, 'launched_at', 3_600_000 - 60_000);
  await stopAttempts(plane.collectDeps);
  plane.cluster.end(job.jobName, { failure: 'stopped', reason: 'image cannot be pulled: no such tag' });
}

test('what can’t start is tried again a few times, and then it is the operator’s turn', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  for (let failures = 1; failures < POLICY.maxStartFailures; failures += 1) {
    await removeUnstarted(plane, job);
    t.deepEqual(await plane.collect(job), { kind: 'requeued' });
    t.like(await readJob(plane.store, job.id), { state: 'pending', attempt: 1, startFailures: failures });
    plane.cluster.runs.clear();
    await plane.database.admin.query('UPDATE jobs SET not_before = NULL');
    await plane.launch();
  }
  await removeUnstarted(plane, job);
  t.deepEqual(await plane.collect(job), { kind: 'recorded' });
  const { job: now, attempt } = await plane.read(job);
  t.like(now, { state: 'failed', error: { code: 'cannot-start', turn: 'operator' } });
  t.regex(now.error?.message ?? '', /^Could not start 3 times: image cannot be pulled: no such tag\. Look at the cluster/);
  t.like(attempt, { state: 'ended', outcome: 'cannot-start' });
});

test('an attempt that did not start and left no run behind is told by what the job last said', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  await removeUnstarted(plane, job);
  plane.cluster.runs.clear();
  await plane.collect(job);
  t.is((await readJob(plane.store, job.id)).reason, 'waiting: the attempt did not start (waiting for a node)');
});

interface Ending {
  readonly name: string;
  readonly end: (plane: UseCasePlane, job: Job) => Promise<unknown> | void;
  readonly failure: FailureCode;
  readonly reason: RegExp;
  readonly state: Job['state'];
}

const gone = (plane: UseCasePlane, job: Job) => void plane.cluster.runs.delete(job.jobName);
const exit = (plane: UseCasePlane, job: Job, code: FailureCode, message: string) =>
  plane.say(job, { type: 'exited', seq: 2, at: AT, exitCode: 1, error: { code, message, turn: 'retry' }, progress: null });
const note = (plane: UseCasePlane, reason: FailureCode) => plane.database.admin.query('UPDATE attempts SET remove_reason = $1', [reason]);

const ENDINGS: readonly Ending[] = [
  { name: 'vanished', end: gone, failure: 'lost', reason: /disappeared from the cluster/, state: 'pending' },
  {
    name: 'vanished after it had said why',
    end: async (plane, job) => {
      await exit(plane, job, 'bad-input', 'train.csv has no target');
      gone(plane, job);
    },
    failure: 'bad-input',
    reason: /^train\.csv has no target/,
    state: 'failed',
  },
  {
    name: 'out of memory',
    end: (plane, job) => plane.cluster.end(job.jobName, { failure: 'out-of-memory', exitCode: 137, reason: 'out of memory (limit 2Gi)' }),
    failure: 'out-of-memory',
    reason: /^out of memory \(limit 2Gi\)/,
    state: 'pending',
  },
  {
    name: 'ended with a code and said why',
    end: async (plane, job) => {
      await exit(plane, job, 'upstream-refused', 'Kaggle wants its rules accepted');
      plane.cluster.end(job.jobName, { exitCode: 69, reason: 'exit code 69' });
    },
    failure: 'upstream-refused',
    reason: /^Kaggle wants its rules accepted/,
    state: 'failed',
  },
  {
    name: 'ended with a code and without a word',
    end: (plane, job) => plane.cluster.end(job.jobName, { exitCode: 1, reason: 'exit code 1' }),
    failure: 'crashed',
    reason: /^exit code 1/,
    state: 'pending',
  },
  {
    name: 'ended well without a result',
    end: (plane, job) => plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0, reason: '' }),
    failure: 'no-manifest',
    reason: /ended without a result/,
    state: 'pending',
  },
  {
    name: 'a result that is not its own',
    end: async (plane, job) => {
      await plane.writeManifest(job, { attempt: 7 });
      plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0 });
    },
    failure: 'manifest-invalid',
    reason: /^The attempt's result can't be trusted: its manifest names another attempt\./,
    state: 'pending',
  },
  {
    name: 'removed at its deadline',
    end: async (plane, job) => {
      await note(plane, 'deadline');
      gone(plane, job);
    },
    failure: 'deadline',
    reason: /^The attempt did not end at its time limit/,
    state: 'timeout',
  },
  {
    name: 'removed for its silence',
    end: async (plane, job) => {
      await note(plane, 'stuck');
      plane.cluster.end(job.jobName, { failure: 'stopped', reason: 'stopped' });
    },
    failure: 'stuck',
    reason: /said nothing for too long/,
    state: 'pending',
  },
  {
    name: 'cancelled',
    end: async (plane, job) => {
      await cancelJob({ store: plane.store }, { tenant: null, jobId: job.id });
      gone(plane, job);
    },
    failure: 'cancelled',
    reason: /disappeared/,
    state: 'cancelled',
  },
];

for (const { name, end, failure, reason, state } of ENDINGS) {
  test(`an attempt's end: ${name}`, async (t) => {
    const plane = await openPlane(t);
    const job = await plane.addRunning();
    await end(plane, job);
    t.deepEqual(await plane.collect(job), { kind: state === 'pending' ? 'requeued' : 'recorded' });
    const { job: now, attempt } = await plane.read(job);
    t.is(now.state, state);
    t.like(attempt, { state: 'ended', outcome: failure, slotHeld: false });
    t.regex(attempt.reason ?? '', reason);
    const run = plane.cluster.runs.get(job.jobName);
    t.true(run === undefined || run.recorded, 'the cluster may forget it');
    await plane.collect(job);
    t.deepEqual(await plane.collect(job), { kind: 'unchanged' }, 'once');
    t.like((await plane.read(job)).attempt, { recordedInCluster: true });
  });
}

test('an end that was said before the ledger knew of it is read again', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await exit(plane, job, 'bad-input', 'no test.csv');
  await plane.collect(job);
  plane.cluster.end(job.jobName, { exitCode: 64 });
  await plane.collect(job);
  t.like((await plane.read(job)).attempt, { outcome: 'bad-input', exitCode: 64 });
});

test('a job that fails keeps the best that it had found, as a partial result', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await plane.writeBest(job, 1);
  await cancelJob({ store: plane.store }, { tenant: null, jobId: job.id });
  plane.cluster.end(job.jobName, { failure: 'stopped' });
  await plane.collect(job);
  t.like((await readJob(plane.store, job.id)).result, { partial: true, leaderboard: null, attempt: 1, quality: 'model' });
});

test('a run that came to life after its end was recorded is held a slot, so that it is removed', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  gone(plane, job);
  await plane.collect(job);
  await plane.database.admin.query('UPDATE attempts SET recorded_in_cluster = false');
  const { attempt } = await plane.read(job);
  plane.cluster.add({ jobName: attempt.jobName, jobId: job.id, attempt: 1, specHash: attempt.specHash });
  t.deepEqual(await plane.collect(job), { kind: 'progressed' });
  t.true((await plane.read(job)).attempt.slotHeld);
  await plane.age(job, 'ended_at', 60_000);
  t.is((await stopAttempts(plane.collectDeps)).removed, 1);
  plane.cluster.runs.clear();
  t.deepEqual(await plane.collect(job), { kind: 'settled' });
  t.like((await plane.read(job)).attempt, { slotHeld: false, recordedInCluster: true });
});

test('a job that was cancelled while a retry was being recorded is not put back in line', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  plane.cluster.end(job.jobName, { exitCode: 1, reason: 'exit code 1' });
  const store = interrupt(plane.store, 'changeJob', () => cancelJob({ store: plane.store }, { tenant: null, jobId: job.id }));
  t.deepEqual(await collectAttempt({ ...plane.collectDeps, store }, { jobId: job.id, number: 1 }), { kind: 'unchanged' });
  t.deepEqual(await plane.collect(job), { kind: 'recorded' });
  t.like(await readJob(plane.store, job.id), { state: 'cancelled' });
});

test('of two who record one end the first wins', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await plane.writeManifest(job);
  plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0 });
  const store = interrupt(plane.store, 'changeJob', () => plane.collect(job));
  t.deepEqual(await collectAttempt({ ...plane.collectDeps, store }, { jobId: job.id, number: 1 }), { kind: 'unchanged' });
  const lines = await plane.store.readHistory({ jobId: job.id, afterSeq: 0, limit: 100 });
  t.is(lines.filter(({ type }) => type === 'finished').length, 1);
});

test('a job that goes on changing is left to the next look', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  plane.cluster.end(job.jobName, { exitCode: 1 });
  const touch = async () => change(plane.store, await readJob(plane.store, job.id), {});
  const store = interrupt(plane.store, 'changeJob', touch, 1000);
  t.deepEqual(await collectAttempt({ ...plane.collectDeps, store }, { jobId: job.id, number: 1 }), { kind: 'unchanged' });
  t.deepEqual(await plane.collect(job), { kind: 'requeued' });
});

test('a result’s name that holds other bytes already is never recorded as this result', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  await plane.writeManifest(job);
  await plane.artifacts.createObject(keys.result(job.id, 1, 'submission.csv'), 'other bytes', 'text/csv');
  plane.cluster.end(job.jobName, { phase: 'succeeded', exitCode: 0 });
  await t.throwsAsync(plane.collect(job), { message: /exists with other bytes/ });
  t.like(await readJob(plane.store, job.id), { state: 'running' });
});

test('an attempt of an earlier number is only settled', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addRunning();
  plane.cluster.end(job.jobName, { exitCode: 1 });
  await plane.collect(job);
  await plane.database.admin.query('UPDATE jobs SET not_before = NULL');
  await plane.launch();
  t.is((await readJob(plane.store, job.id)).attempt, 2);
  t.deepEqual(await plane.collect(job, 1), { kind: 'unchanged' });
});

test('a cancelled job is not ended while its launcher may still create its Job', async (t) => {
  const plane = await openPlane(t);
  const job = await plane.addLaunched();
  await plane.database.admin.query(`UPDATE attempts SET state = 'launching', lease_until = now() + interval '1 min'`);
  await cancelJob({ store: plane.store }, { tenant: null, jobId: job.id });
  gone(plane, job);
  t.deepEqual(await plane.collect(job), { kind: 'unchanged' });
  await plane.age(job, 'lease_until', 1);
  t.deepEqual(await plane.collect(job), { kind: 'recorded' });
  t.like(await readJob(plane.store, job.id), { state: 'cancelled' });
});
