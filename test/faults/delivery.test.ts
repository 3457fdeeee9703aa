import test from 'ava';
import type { ExecutionContext } from 'ava';
import pg from 'pg';
import type { LocalPlane } from '#local/plane.ts';
import { collectAttempt } from '#core/use-cases/collect.ts';
import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { keys } from '#core/names.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';
import { findBrokenInvariants } from '#test/_support/invariants.ts';
import { makeTempDir, readStatus, startTestPlane, submitTo, waitForFinal } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const hint = (knobs: Readonly<Record<string, unknown>>) => ({ hint: JSON.stringify(knobs) });

/** Waits until nothing is left to do, and asserts every invariant. */
async function assertQuiet(t: ExecutionContext<unknown>, plane: LocalPlane, accepted: readonly string[]): Promise<void> {
  const check = () => findBrokenInvariants({ databaseUrl: plane.databaseUrl, artifacts: plane.ports.artifacts, accepted, quiescent: true });
  await waitUntil('a quiet plane', async () => (await check()).length === 0, 15_000).catch(() => undefined);
  t.deepEqual(await check(), []);
}

async function submitMany(plane: LocalPlane, count: number, knobs: Readonly<Record<string, unknown>> = {}): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, () => submitTo(plane.url, hint({ steps: 2, ...knobs }))));
}

async function countHistory(plane: LocalPlane, id: string): Promise<Map<string, number>> {
  const lines = await plane.ports.store.readHistory({ jobId: id, afterSeq: 0, limit: 1000 });
  return lines.reduce((counts, { type }) => counts.set(type, (counts.get(type) ?? 0) + 1), new Map<string, number>());
}

test.serial('with every event dropped, every job still ends, with its progress, by ticks alone', async (t) => {
  const plane = await startTestPlane(t, { faults: { intake: { drop: 1 }, signals: { drop: 1 } }, tickMs: 100 });
  const ids = await submitMany(plane, 6);
  for (const id of ids) {
    const job = await waitForFinal(plane.url, id);
    t.is(job.status, 'success', job.reason);
    t.is(job.best_score, 0.2);
    t.is((await countHistory(plane, id)).get('improved'), 2);
  }
  await assertQuiet(t, plane, ids);
  t.is(plane.brokers.intake.stats().delivered, 0);
  t.is(plane.brokers.signals.stats().delivered, 0);
});

test.serial('with every event delivered three times and shuffled, there is one effect', async (t) => {
  const faults = { copies: 3, shuffle: { size: 6, holdMs: 30 } };
  const plane = await startTestPlane(t, { faults: { intake: faults, signals: faults } });
  const ids = await submitMany(plane, 8);
  for (const id of ids) {
    const job = await waitForFinal(plane.url, id);
    t.is(job.status, 'success', job.reason);
    t.is(job.attempt, 1);
    const counts = await countHistory(plane, id);
    t.deepEqual([counts.get('submitted'), counts.get('started'), counts.get('improved'), counts.get('finished')], [1, 1, 2, 1]);
  }
  await assertQuiet(t, plane, ids);
});

test.serial('two control planes on one ledger and one cluster never exceed the cap', async (t) => {
  const dataDir = await makeTempDir(t, 'twins');
  const databaseUrl = (await createTestDatabase(t)).url;
  const first = await startTestPlane(t, { dataDir, databaseUrl, cap: 2, tickMs: 50 });
  const second = await startTestPlane(t, { dataDir, databaseUrl, cap: 2, tickMs: 50 });
  const ids = (await Promise.all([submitMany(first, 6, { msPerStep: 30 }), submitMany(second, 6, { msPerStep: 30 })])).flat();
  for (const id of ids) t.is((await waitForFinal(first.url, id, 60_000)).status, 'success');
  await assertQuiet(t, first, ids);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  t.teardown(() => client.end());
  // How many attempts were open, from the claim of the slot to the recorded end, when each of them began.
  const { rows } = await client.query(
    `SELECT max(n)::int AS most FROM (SELECT (SELECT count(*) FROM attempts b WHERE b.created_at <= a.created_at AND b.ended_at > a.created_at) AS n FROM attempts a) x`,
  );
  const [row] = rows as { most: number }[];
  t.true((row?.most ?? 99) <= 2, `${row?.most} at once`);
});

test.serial('a zombie that writes late changes nothing of the attempt that replaced it', async (t) => {
  const plane = await startTestPlane(t);
  const id = await submitTo(plane.url, hint({ steps: 1, exitCode: 1, failAttempts: [1] }));
  const before = await waitForFinal(plane.url, id);
  t.is(before.attempt, 2);
  await assertQuiet(t, plane, [id]);
  const { artifacts } = plane.ports;
  const seq = (await artifacts.listObjects({ prefix: keys.eventPrefix(id, 1), after: null, limit: 100 })).length + 1;
  const progress = { stage: 'execute', message: 'late', solutionsDone: 9, solutionsPlanned: 9, best: { score: 9, low: 9, high: 9 } };
  const rest = { metric: 'accuracy', direction: 'maximize', remainingS: 1, firstValidSeconds: 1 };
  const event = { type: 'improved', seq, at: new Date().toISOString(), progress: { ...progress, ...rest }, best: 9 };
  await artifacts.createObject(keys.event(id, 1, seq), JSON.stringify(event), 'application/json');
  await artifacts.createObject(keys.manifest(id, 1), '{"schemaVersion":1}', 'application/json');
  const deps = { ...plane.ports, clock: systemClock, random: Math.random, logger: silent, config: { policy: DEFAULT_POLICY } };
  t.deepEqual(await collectAttempt(deps, { jobId: id, number: 1 }), { kind: 'unchanged' });
  const after = await readStatus(plane.url, id);
  t.is(after.version, before.version);
  t.is(after.best_score, before.best_score);
});

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

test.serial('a cancel that races the end leaves exactly one of both', async (t) => {
  const plane = await startTestPlane(t);
  const ids = await submitMany(plane, 10, { steps: 3, msPerStep: 20 });
  const seen = new Set<string>();
  await Promise.all(
    ids.map(async (id, index) => {
      // Each cancel is sent at another point of its job's life, up to after its end.
      const points = ['pending', 'queued', 'running', 'done'];
      const point = points[index % points.length];
      await waitUntil(`${id} to get there`, async () => {
        const { status, completed_at: end } = await readStatus(plane.url, id);
        return status === point || end !== null;
      });
      const response = await fetch(`${plane.url}/jobs/${id}`, { method: 'DELETE' });
      t.true([200, 400].includes(response.status), `${response.status}`);
      const job = await waitForFinal(plane.url, id);
      seen.add(job.status);
      t.true(['success', 'cancelled'].includes(job.status), job.reason);
      if (response.status === 400) t.is(job.status, 'success');
    }),
  );
  t.true(seen.has('cancelled'));
  await assertQuiet(t, plane, ids);
});

test.serial('bad input is final at once, and says whose turn it is', async (t) => {
  const plane = await startTestPlane(t);
  const id = await submitTo(plane.url, hint({ steps: 1, exitCode: 64 }));
  const job = await waitForFinal(plane.url, id);
  t.is(job.status, 'failed');
  t.like(job.error, { code: 'bad-input', message: 'train.csv is missing', turn: 'caller' });
  t.is(job.attempt, 1);
  await assertQuiet(t, plane, [id]);
});

test.serial('an attempt that never claims is given up after its start time, and its file is no success', async (t) => {
  const plane = await startTestPlane(t, { policy: { startTimeoutMs: 300, maxStartFailures: 1 } });
  const id = await submitTo(plane.url, hint({ noClaim: true }));
  const job = await waitForFinal(plane.url, id);
  t.is(job.status, 'failed');
  t.like(job.error, { code: 'cannot-start', turn: 'operator' });
  await assertQuiet(t, plane, [id]);
});

test.serial('an attempt that is cut off promotes its newest valid file as partial, and is no success', async (t) => {
  const plane = await startTestPlane(t, { policy: { deadlineGraceMs: -8_000 } });
  const id = await submitTo(plane.url, { time_limit_s: 10, ...hint({ steps: 100_000, msPerStep: 100, ignoreTerm: false }) });
  const job = await waitForFinal(plane.url, id, 40_000);
  t.is(job.status, 'timeout', job.reason);
  t.true(job.partial);
  const refused = await fetch(`${plane.url}/result/${id}/submission.csv`);
  t.is(refused.status, 400);
  const best = await fetch(`${plane.url}/result/${id}/submission.csv?best=1`);
  t.is(best.status, 200);
  t.regex(await best.text(), /^id,y\n/);
  await assertQuiet(t, plane, [id]);
});
