import test from 'ava';
import pg from 'pg';
import { parseTimestamp } from '#adapters/postgres/connect.ts';
import { migrateToLatest } from '#adapters/postgres/migrate.ts';
import { MIGRATIONS } from '#adapters/postgres/migrations/index.ts';
import { AgentError } from '#core/errors.ts';
import { addJob, change, claim } from '#test/_support/ledger.ts';
import { openAdmin, openLedgerDatabase } from '#test/_support/ledger-database.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';

test('many processes that migrate at once: one works, all end with the newest schema', async (t) => {
  const { url } = await createTestDatabase(t, { migrated: false });
  const runs = await Promise.all(Array.from({ length: 6 }, () => migrateToLatest(url)));
  t.deepEqual(
    runs.filter((names) => names.length > 0),
    [Object.keys(MIGRATIONS)],
  );
  t.deepEqual(await migrateToLatest(url), []);
});

test('a migration that fails is named, and nothing of it is kept', async (t) => {
  const { url } = await createTestDatabase(t, { migrated: false });
  const admin = await openAdmin(t, url);
  await admin.query('CREATE TABLE outbox (mine text)');
  const error = await t.throwsAsync(migrateToLatest(url), { message: /stopped at 0002-events-and-keys: relation "outbox" already exists/ });
  t.false(error instanceof AgentError);
  t.is((await admin.query(`SELECT to_regclass('jobs') AS found`)).rows[0]?.found, null);
  await admin.query('DROP TABLE outbox');
  t.is((await migrateToLatest(url)).length, Object.keys(MIGRATIONS).length);
});

test('a migration that waits too long for another one, or finds no server, is unavailable', async (t) => {
  const { url } = await createTestDatabase(t, { migrated: false });
  const admin = await openAdmin(t, url);
  await admin.query('SELECT pg_advisory_lock(7237401001)');
  const error = await t.throwsAsync(migrateToLatest(url, { waitMs: 100 }), { instanceOf: AgentError });
  t.is(error?.code, 'unavailable');
  await t.throwsAsync(migrateToLatest('postgres://x@127.0.0.1:1/x'), { instanceOf: AgentError });
});

test('the database itself refuses to reopen an end, an unknown state and a second open attempt', async (t) => {
  const { admin, store } = await openLedgerDatabase(t);
  await addJob(store);
  const [claimed] = await claim(store);
  if (claimed === undefined) throw new Error('no attempt');
  const copy = `INSERT INTO attempts (job_id, number, state, slot_held, job_name, spec, spec_hash)
    SELECT job_id, 2, 'waiting', false, 'other', spec, spec_hash FROM attempts`;
  await t.throwsAsync(admin.query(copy), { message: /attempts_one_open/ });
  await t.throwsAsync(admin.query(`UPDATE attempts SET state = 'lost'`), { message: /attempts_state_known/ });
  await t.throwsAsync(admin.query(`UPDATE jobs SET state = 'done'`), { message: /jobs_state_known/ });
  await change(store, claimed.job, { change: { state: 'success', stamp: ['completedAt'] }, attempt: { state: 'ended' } });
  await t.throwsAsync(admin.query(`UPDATE jobs SET state = 'running'`), { code: 'KA001' });
  await t.throwsAsync(admin.query(`UPDATE jobs SET completed_at = now()`), { code: 'KA001' });
  await t.throwsAsync(admin.query(`UPDATE attempts SET state = 'claimed'`), { code: 'KA001' });
  await t.notThrowsAsync(admin.query(`UPDATE jobs SET reason = 'better words'`));
});

test('sent events are kept for seven days, seen ones and finished jobs for the retention', async (t) => {
  const { admin, store } = await openLedgerDatabase(t);
  const [old, young] = [await addJob(store), await addJob(store)];
  const rows = await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: null });
  await store.markSent(rows.map((row) => row.event.id));
  for (const job of [old, young]) await change(store, job, { change: { state: 'failed', stamp: ['completedAt'] } });
  for (const id of ['old', 'young']) await store.insertInbox({ consumer: 'c', source: 's', id });
  await admin.query(`UPDATE outbox SET sent_at = now() - interval '7 days 1 minute' WHERE job_id = $1`, [old.id]);
  await admin.query(`UPDATE inbox SET received_at = now() - interval '31 days' WHERE id = 'old'`);
  await admin.query('ALTER TABLE jobs DISABLE TRIGGER jobs_end_is_final');
  await admin.query(`UPDATE jobs SET completed_at = now() - interval '31 days' WHERE id = $1`, [old.id]);
  t.deepEqual(await store.prune({ retentionDays: 30, limit: 10 }), { outbox: 1, jobs: [old.id] });
  t.deepEqual(await store.prune({ retentionDays: 30, limit: 10 }), { outbox: 0, jobs: [old.id] });
  t.is((await admin.query('SELECT FROM outbox')).rowCount, 1);
  t.is((await admin.query('SELECT FROM inbox')).rowCount, 1);
});

test('jobs of the same millisecond are paged by id, each once', async (t) => {
  const { admin, store } = await openLedgerDatabase(t);
  const jobs = await Promise.all(Array.from({ length: 9 }, () => addJob(store)));
  await admin.query(`UPDATE jobs SET created_at = '2026-01-01 00:00:00.123+00'`);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof store.listJobs>> = await store.listJobs({
      tenant: null,
      states: null,
      request: null,
      limit: 2,
      cursor,
    });
    seen.push(...page.jobs.map((job) => job.id));
    cursor = page.nextCursor;
  } while (cursor !== null);
  t.deepEqual(
    seen,
    jobs
      .map((job) => job.id)
      .toSorted()
      .toReversed(),
  );
});

test('times are read to the millisecond, in every time zone of the session', async (t) => {
  const { admin } = await openLedgerDatabase(t);
  const instants = [
    '2026-01-31 23:59:59',
    '2026-01-31 23:59:59.1',
    '1999-12-31 00:00:00.999999',
    '0044-03-15 12:00:00.000001',
    '12026-01-01 00:00:00',
  ];
  for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Kolkata']) {
    await admin.query(`SET TIME ZONE '${zone}'`);
    for (const instant of instants) {
      const text = `SELECT ('${instant}+00'::timestamptz)::text AS text, extract(epoch FROM '${instant}+00'::timestamptz) AS seconds`;
      const { rows } = await admin.query<{ text: string; seconds: string }>(text);
      const parsed = parseTimestamp(rows[0]?.text ?? '');
      t.true(parsed instanceof Date);
      if (parsed instanceof Date) t.is(parsed.getTime(), Math.floor(Number(rows[0]?.seconds) * 1000 + 1e-4), `${zone} ${instant}`);
    }
  }
  t.is(pg.types.getTypeParser(1184)('2026-01-01 00:00:00+00') instanceof Date, true);
});
