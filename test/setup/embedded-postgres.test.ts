import { mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { removeEmbeddedPostgres, startEmbeddedPostgres, type EmbeddedPostgresOptions } from '#adapters/postgres/embedded.ts';
import { readStartTicks } from '#adapters/postgres/process-identity.ts';

function makeOptions(t: ExecutionContext, extra: Partial<EmbeddedPostgresOptions> = {}): EmbeddedPostgresOptions {
  const folder = mkdtempSync(join(tmpdir(), 'kaggle-agent-embedded-'));
  const options = { dataDir: join(folder, 'postgres'), logFile: join(folder, 'postgres.log'), fsync: false, ...extra };
  t.teardown(async () => {
    await removeEmbeddedPostgres(options);
    await rm(folder, { recursive: true, force: true });
  });
  return options;
}

async function ask(url: string, statement: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ answer: unknown }>(statement);
    return rows[0]?.answer;
  } finally {
    await client.end();
  }
}

test('a server keeps its data over a stop, speaks UTC and UTF-8, and adopts the one that runs', async (t) => {
  const options = makeOptions(t);
  const first = await startEmbeddedPostgres(options);
  t.false(first.adopted);
  t.is(await ask(first.url, "select current_setting('timezone') || ' ' || current_setting('server_encoding') as answer"), 'UTC UTF8');
  await ask(first.url, 'create table kept as select 42 as answer');
  const second = await startEmbeddedPostgres(options);
  t.true(second.adopted);
  t.is(second.pid, first.pid);
  t.is(second.url, first.url);
  await second.stop();
  t.is(readStartTicks(first.pid), null);
  const third = await startEmbeddedPostgres(options);
  t.false(third.adopted);
  t.is(await ask(third.url, 'select answer from kept'), 42);
});

test('a server that was killed starts again although its old pid now belongs to another program', async (t) => {
  const options = makeOptions(t);
  const first = await startEmbeddedPostgres(options);
  process.kill(first.pid, 'SIGKILL');
  while (readStartTicks(first.pid) !== null) await new Promise((done) => setImmediate(done));
  const pidFile = join(options.dataDir, 'postmaster.pid');
  const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
  writeFileSync(pidFile, [process.pid, ...rest].join('\n'));
  const second = await startEmbeddedPostgres(options);
  t.false(second.adopted);
  t.is(await ask(second.url, 'select 1 as answer'), 1);
});

test('many starters at once get one server', async (t) => {
  const options = makeOptions(t);
  const servers = await Promise.all(Array.from({ length: 5 }, () => startEmbeddedPostgres(options)));
  t.is(new Set(servers.map(({ pid }) => pid)).size, 1);
  t.is(servers.filter(({ adopted }) => !adopted).length, 1);
});

test('a connection without the password is refused, and only the owner can read the password', async (t) => {
  const options = makeOptions(t);
  const server = await startEmbeddedPostgres(options);
  const wrong = server.url.replace(/:[0-9a-f]{48}@/, ':guess@');
  t.not(wrong, server.url);
  await t.throwsAsync(ask(wrong, 'select 1 as answer'), { message: /password authentication failed/ });
  t.is(statSync(`${options.dataDir}.password`).mode & 0o777, 0o600);
});

test('an interrupted first start leaves nothing that a second one stumbles over', async (t) => {
  const options = makeOptions(t);
  const half = `${options.dataDir}.init-1`;

  await mkdir(half);
  writeFileSync(join(half, 'PG_VERSION'), '18');
  const server = await startEmbeddedPostgres(options);
  t.is(await ask(server.url, 'select 1 as answer'), 1);
  t.deepEqual(
    readdirSync(join(options.dataDir, '..')).filter((name) => name.includes('.init-')),
    [],
  );
});

const isRoot = process.getuid?.() === 0;

(isRoot ? test : test.skip)('root gets a server also where user namespaces are refused', async (t) => {
  const options = makeOptions(t, { forbidNamespace: true });
  const first = await startEmbeddedPostgres(options);
  t.is(await ask(first.url, 'select 1 as answer'), 1);
  t.not(statSync(`/proc/${first.pid}`).uid, 0);
  const second = await startEmbeddedPostgres(options);
  t.true(second.adopted);
});

test('a port that is taken is named with the file that tells more', async (t) => {
  const taken = await startEmbeddedPostgres(makeOptions(t));
  const options = makeOptions(t, { port: taken.port });
  const error = await t.throwsAsync(startEmbeddedPostgres(options));
  t.true(error.message.includes(options.logFile), error.message);
});
