import { randomBytes } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import pg from 'pg';
import { grantRoles } from '#adapters/postgres/grants.ts';
import type { LedgerRoles } from '#adapters/postgres/grants.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { createHttpApp } from '#functions/http/app.ts';
import { createLifecycle } from '#functions/http/lifecycle.ts';
import { serve } from '#functions/http/serve.ts';
import { createResultRoutes } from '#functions/result/app.ts';
import { createStatusRoutes } from '#functions/status/app.ts';
import { SILENT } from '#test/_support/functions.ts';
import { addJob, claim } from '#test/_support/ledger.ts';
import { openAdmin } from '#test/_support/ledger-database.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';
import { makeTempDir } from '#test/_support/plane.ts';
import { testJobStore } from '#test/contract/job-store.ts';

/** A database whose owner has granted, and the addresses of both roles. Roles belong to the server: they have names of their own, and go. */
async function openGranted(t: ExecutionContext): Promise<{ owner: string; writer: string; reader: string; roles: LedgerRoles }> {
  const { url: owner } = await createTestDatabase(t);
  const suffix = randomBytes(6).toString('hex');
  const roles = { writer: `writer_${suffix}`, reader: `reader_${suffix}` };
  const admin = await openAdmin(t, owner);
  for (const role of Object.values(roles)) {
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD '${suffix}'`);
    t.teardown(async () => {
      await admin.query(`DROP OWNED BY ${role}`);
      await admin.query(`DROP ROLE ${role}`);
    });
  }
  t.deepEqual(await grantRoles(owner, roles), [roles.writer, roles.reader]);
  const as = (role: string) => {
    const url = new URL(owner);
    url.username = role;
    url.password = suffix;
    return url.href;
  };
  return { owner, roles, writer: as(roles.writer), reader: as(roles.reader) };
}

async function connect(t: ExecutionContext, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

// All that the functions ask of the ledger, asked by the writer.
testJobStore(test.serial, {
  create: async (t) => {
    const { writer } = await openGranted(t);
    const store = createPostgresJobStore({ url: writer, maxConnections: 25 });
    t.teardown(() => store.close());
    return store;
  },
});

/** Status and result over the reader's store, until the test ends. */
async function serveReads(t: ExecutionContext, url: string): Promise<string> {
  const store = createPostgresJobStore({ url, maxConnections: 4 });
  const artifacts = createDirectoryStore({ root: await makeTempDir(t, 'grants'), durable: false });
  const lifecycle = createLifecycle((error) => t.log(error));
  const http = { logger: SILENT, authenticator: null, guard: { allowedHosts: [], allowedOrigins: [] }, lifecycle };
  const deps = { http, store, artifacts, logger: SILENT, runner: null, maxStreamMs: 2_000, feedIntervalMs: 20, followIntervalMs: 20 };
  const app = createHttpApp(http, [...createStatusRoutes(deps), ...createResultRoutes(deps)]);
  const serving = await serve(app, { port: 0, host: '127.0.0.1', lifecycle, logger: SILENT, graceMs: 5_000, close: [() => store.close()] });
  t.teardown(() => serving.stop());
  return serving.url;
}

test('status and result serve jobs as the reader', async (t) => {
  const { reader, writer } = await openGranted(t);
  const ledger = createPostgresJobStore({ url: writer, maxConnections: 4 });
  t.teardown(() => ledger.close());
  const job = await addJob(ledger);
  await claim(ledger);
  const base = await serveReads(t, reader);
  const expected: readonly (readonly [string, number])[] = [
    [`/status/${job.id}`, 200],
    [`/status/${job.id}?wait=1`, 200],
    ['/jobs?limit=5', 200],
    [`/jobs/${job.id}/events`, 200],
    [`/jobs/${job.id}/solutions`, 200],
    [`/logs/${job.id}`, 200],
    ['/health', 200],
    ['/readyz', 200],
    [`/result/${job.id}`, 400],
    [`/result/${job.id}/submission.csv`, 400],
    ['/result/0198c0de-0000-7000-8000-000000000001', 404],
  ];
  for (const [path, status] of expected) {
    const response = await fetch(`${base}${path}`);
    t.is(response.status, status, `${path}: ${await response.text()}`);
  }
});

test('the reader can write nothing', async (t) => {
  const { owner, reader } = await openGranted(t);
  const admin = await openAdmin(t, owner);
  const client = await connect(t, reader);
  const { rows } = await admin.query<{ name: string }>("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'");
  t.true(rows.length >= 10);
  const refused = async (statement: string) => {
    const error = await t.throwsAsync(client.query(statement), undefined, statement);
    t.like(error, { code: '42501' }, statement);
  };
  for (const { name } of rows) {
    await refused(`INSERT INTO ${name} DEFAULT VALUES`);
    await refused(`DELETE FROM ${name}`);
    await refused(`TRUNCATE ${name} CASCADE`);
    await refused(`DROP TABLE ${name}`);
  }
  await refused("UPDATE jobs SET reason = 'x'");
  await refused('CREATE TABLE mine (id integer)');
  await refused('SELECT FROM jobs FOR UPDATE');
  const store = createPostgresJobStore({ url: reader, maxConnections: 1 });
  t.teardown(() => store.close());
  await t.throwsAsync(addJob(store));
  await t.throwsAsync(store.addCounters({ x: 1 }));
});

test('the writer changes rows, and neither tables nor the list of migrations', async (t) => {
  const { writer } = await openGranted(t);
  const client = await connect(t, writer);
  for (const statement of [
    'CREATE TABLE mine (id integer)',
    'DROP TABLE jobs CASCADE',
    'TRUNCATE jobs CASCADE',
    'ALTER TABLE jobs DISABLE TRIGGER ALL',
    'DELETE FROM kysely_migration',
  ]) {
    const error = await client.query(statement).then(
      () => null,
      (refusal: unknown) => refusal,
    );
    t.like(error, { code: '42501' }, statement);
  }
});

test('tables of later migrations are granted too; granting again, by many at once, and without roles is fine', async (t) => {
  const { owner, reader, writer, roles } = await openGranted(t);
  const admin = await openAdmin(t, owner);
  await admin.query('CREATE TABLE later (id integer PRIMARY KEY)');
  await (await connect(t, writer)).query('INSERT INTO later VALUES (1)');
  const client = await connect(t, reader);
  t.is((await client.query('SELECT * FROM later')).rowCount, 1);
  await t.throwsAsync(client.query('INSERT INTO later VALUES (2)'));
  const all = await Promise.all(Array.from({ length: 4 }, () => grantRoles(owner, roles)));
  for (const granted of all) t.deepEqual(granted, [roles.writer, roles.reader]);
  t.deepEqual(await grantRoles(owner, { writer: 'no_such_writer', reader: roles.reader }), [roles.reader]);
});
