import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { openPool, runTransaction } from '#adapters/postgres/connect.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { AgentError } from '#core/errors.ts';
import { EVENT_TYPES } from '#core/events.ts';
import { addJob, change, claim, makeNewJob, makeSolution, readJob } from '#test/_support/ledger.ts';
import { openAdmin, openLedgerDatabase, waitForBlocked } from '#test/_support/ledger-database.ts';
import type { LedgerDatabase } from '#test/_support/ledger-database.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const TABLES = ['jobs', 'attempts', 'job_events', 'solutions', 'outbox', 'inbox', 'idempotency_keys', 'counters'];

/** Every row of the ledger. */
async function readAll({ admin }: LedgerDatabase): Promise<Record<string, unknown[]>> {
  const all: Record<string, unknown[]> = {};
  for (const table of TABLES) all[table] = (await admin.query(`SELECT * FROM ${table} ORDER BY 1, 2`)).rows;
  return all;
}

async function assertUnavailable(t: ExecutionContext, work: Promise<unknown>, words: RegExp): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: AgentError });
  t.like(error, { code: 'unavailable', status: 503 });
  t.regex(error?.message ?? '', words);
}

/** Starts `work` while `sql` of another connection is open, kills its backend while it waits, and lets the other one go. */
async function killMidway(t: ExecutionContext, ledger: LedgerDatabase, sql: string, work: () => Promise<unknown>): Promise<void> {
  const other = await openAdmin(t, ledger.url);
  await other.query(`BEGIN; ${sql}`);
  const running = assertUnavailable(t, work(), /stopping|reached/);
  const pid = await waitForBlocked(ledger.admin);
  await ledger.admin.query('SELECT pg_terminate_backend($1, 5000)', [pid]);
  await running;
  await other.query('ROLLBACK');
}

test.serial('an insert whose connection is killed midway leaves nothing, and its repeat makes the job', async (t) => {
  const ledger = await openLedgerDatabase(t);
  const first = await addJob(ledger.store);
  const before = await readAll(ledger);
  const job = makeNewJob({ idempotencyKey: { key: 'k', bodyHash: 'a' } });
  const twin = `INSERT INTO idempotency_keys (tenant, key, body_hash, job_id) VALUES ('default', 'k', 'a', '${first.id}')`;
  await killMidway(t, ledger, twin, () => ledger.store.insertJob(job));
  t.deepEqual(await readAll(ledger), before);
  t.is((await ledger.store.insertJob(job)).kind, 'created');
});

test.serial('a change whose connection is killed between the job’s row and the attempt’s leaves nothing', async (t) => {
  const ledger = await openLedgerDatabase(t);
  await addJob(ledger.store);
  const [claimed] = await claim(ledger.store);
  if (claimed === undefined) throw new Error('no attempt');
  const before = await readAll(ledger);
  const end = () =>
    change(ledger.store, claimed.job, {
      change: { state: 'failed', stamp: ['completedAt'] },
      attempt: { state: 'ended', slotHeld: false },
      outbox: [{ type: EVENT_TYPES.failed, source: '/s' }],
      solutions: [makeSolution(1)],
    });
  await killMidway(t, ledger, `SELECT FROM attempts FOR UPDATE`, end);
  t.deepEqual(await readAll(ledger), before);
  t.is((await end())?.state, 'failed');
});

test.serial('a claim of slots whose connection is killed midway leaves nothing and gives its lock back', async (t) => {
  const ledger = await openLedgerDatabase(t);
  await addJob(ledger.store);
  const [claimed] = await claim(ledger.store);
  if (claimed === undefined) throw new Error('no attempt');
  await change(ledger.store, claimed.job, { attempt: { state: 'waiting', slotHeld: false } });
  await addJob(ledger.store);
  const before = await readAll(ledger);
  await killMidway(t, ledger, `SELECT FROM attempts FOR UPDATE`, () => claim(ledger.store));
  t.deepEqual(await readAll(ledger), before);
  t.is((await claim(ledger.store)).length, 2);
});

test.serial('an attempt that ends while its job is being changed refuses the whole change', async (t) => {
  const ledger = await openLedgerDatabase(t);
  await addJob(ledger.store);
  const [claimed] = await claim(ledger.store);
  if (claimed === undefined) throw new Error('no attempt');
  const other = await openAdmin(t, ledger.url);
  await other.query(`BEGIN; UPDATE attempts SET state = 'ended'`);
  const late = change(ledger.store, claimed.job, { change: { state: 'running' }, attempt: { state: 'claimed' } });
  await waitForBlocked(ledger.admin);
  await other.query('COMMIT');
  t.is(await late, null);
  t.deepEqual(await readJob(ledger.store, claimed.job.id), claimed.job);
});

test.serial('connections that the server closes while idle are replaced', async (t) => {
  const ledger = await openLedgerDatabase(t, { maxConnections: 3 });
  await Promise.all([1, 2, 3].map(() => ledger.store.ping()));
  const kill = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'kaggle-agent'`;
  t.is((await ledger.admin.query(kill)).rowCount, 3);
  await waitUntil('the ledger to answer again', () =>
    ledger.store.ping().then(
      () => true,
      (error: unknown) => !(error instanceof AgentError),
    ),
  );
  await t.notThrowsAsync(Promise.all([1, 2, 3].map(() => ledger.store.ping())));
});

test.serial('a server that is not there, or never answers, is unavailable', async (t) => {
  const silent = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const store = createPostgresJobStore({ url: `postgres://x@127.0.0.1:${port}/x`, connectTimeoutMs: 200 });
  await assertUnavailable(t, store.getJob(makeNewJob().id), /can not be reached/);
  await assertUnavailable(t, store.countJobs(null), /can not be reached/);
  await new Promise((resolve) => silent.close(resolve));
  await assertUnavailable(t, store.ping(), /can not be reached/);
  await store.close();
});

test.serial('a statement that waits too long is unavailable, and its connection goes on', async (t) => {
  const ledger = await openLedgerDatabase(t, { maxConnections: 1, statementTimeoutMs: 1000 });
  const job = await addJob(ledger.store);
  await ledger.admin.query('BEGIN; SELECT FROM jobs FOR UPDATE');
  await assertUnavailable(t, change(ledger.store, job), /took too long/);
  await ledger.admin.query('ROLLBACK');
  t.not(await change(ledger.store, job), null);
});

test.serial('a pool with no connection free is unavailable after the time to connect', async (t) => {
  const ledger = await openLedgerDatabase(t, { maxConnections: 1, connectTimeoutMs: 2000 });
  const job = await addJob(ledger.store);
  await ledger.admin.query('BEGIN; SELECT FROM jobs FOR UPDATE');
  const waiting = change(ledger.store, job);
  await waitForBlocked(ledger.admin);
  await assertUnavailable(t, ledger.store.ping(), /no connection free/);
  await ledger.admin.query('ROLLBACK');
  t.not(await waiting, null);
});

test.serial('a relay does not wait for the events that another one is leasing', async (t) => {
  const ledger = await openLedgerDatabase(t, { statementTimeoutMs: 5000 });
  const [locked, free] = [await addJob(ledger.store), await addJob(ledger.store)];
  await ledger.admin.query(`BEGIN; SELECT FROM outbox WHERE job_id = '${locked.id}' FOR UPDATE`);
  const rows = await ledger.store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: null });
  t.deepEqual(
    rows.map((row) => row.jobId),
    [free.id],
  );
  await ledger.admin.query('ROLLBACK');
});

test.serial('too many connections are unavailable, a wrong login is the operator’s turn', async (t) => {
  const ledger = await openLedgerDatabase(t);
  const role = `test_${randomBytes(6).toString('hex')}`;
  await ledger.admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'p' CONNECTION LIMIT 0`);
  const url = new URL(ledger.url);
  url.username = role;
  url.password = 'p';
  const store = createPostgresJobStore({ url: url.href });
  await assertUnavailable(t, store.ping(), /too many connections/);
  await ledger.admin.query(`DROP ROLE ${role}`);
  const error = await t.throwsAsync(store.ping(), { instanceOf: AgentError });
  t.like(error, { code: 'unavailable', turn: 'operator' });
  t.notRegex(error?.message ?? '', /password|:p@/);
  await store.close();
});

test.serial('two transactions in a deadlock both end well, by trying again', async (t) => {
  const ledger = await openLedgerDatabase(t);
  await ledger.store.addCounters({ a: 0, b: 0 });
  const pool = openPool({ url: ledger.url });
  let arrived = 0;
  const both = Promise.withResolvers<void>();
  const add = (first: string, second: string) =>
    runTransaction(pool, 'BEGIN', async (client) => {
      await client.query('UPDATE counters SET value = value + 1 WHERE name = $1', [first]);
      arrived += 1;
      if (arrived === 2) both.resolve();
      await both.promise;
      await client.query('UPDATE counters SET value = value + 1 WHERE name = $1', [second]);
    });
  await Promise.all([add('a', 'b'), add('b', 'a')]);
  t.deepEqual(await ledger.store.readCounters(), { a: 2, b: 2 });
  t.is(arrived, 3);
  await pool.end();
});

test.serial('a transaction that never gets through is tried four times, then unavailable', async (t) => {
  const ledger = await openLedgerDatabase(t);
  const pool = openPool({ url: ledger.url });
  let tries = 0;
  const work = runTransaction(pool, 'BEGIN', async (client) => {
    tries += 1;
    await client.query(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`);
  });
  await assertUnavailable(t, work, /busy/);
  t.is(tries, 4);
  await pool.end();
});

test.serial('a connection killed between two statements of a transaction is unavailable, and the process lives', async (t) => {
  const ledger = await openLedgerDatabase(t);
  const pool = openPool({ url: ledger.url });
  const work = runTransaction(pool, 'BEGIN', async (client) => {
    const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await ledger.admin.query('SELECT pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
    await ended;
    await client.query('SELECT 1');
  });
  await assertUnavailable(t, work, /can not be reached/);
  t.is((await pool.query('SELECT 1')).rowCount, 1);
  await pool.end();
});
