import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { findFreePort } from '#test/_support/listen-for-test.ts';
import { openAdmin } from '#test/_support/ledger-database.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const MAIN = fileURLToPath(new URL('../../functions/migrate/main.ts', import.meta.url));

function startMigrate(t: ExecutionContext, url: string) {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'] ?? '', KAGGLE_AGENT_DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  const said = { text: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.text += chunk.toString()));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  return { said, ended: closed.then(() => child.exitCode) };
}

test('migrate makes the schema, says what it did, and does nothing the second time', async (t) => {
  const { url } = await createTestDatabase(t, { migrated: false });
  const first = startMigrate(t, url);
  t.is(await first.ended, 0, first.said.text);
  t.regex(first.said.text, /"migrations":\["0001-jobs-and-attempts".*"msg":"migrated"/);
  const admin = await openAdmin(t, url);
  t.is((await admin.query('SELECT FROM jobs')).rowCount, 0);
  const second = startMigrate(t, url);
  t.is(await second.ended, 0, second.said.text);
  t.regex(second.said.text, /"migrations":\[\],"msg":"the schema was new enough"/);
});

test('migrate waits for a database that is still starting, a line for each wait', async (t) => {
  const { url } = await createTestDatabase(t, { migrated: false });
  const server = new URL(url);
  const port = await findFreePort();
  const away = new URL(url);
  away.host = `127.0.0.1:${port}`;
  const migrate = startMigrate(t, away.href);
  await waitUntil('the first wait', () => migrate.said.text.includes('waiting for the database'));
  const proxy = createServer((socket) => {
    const upstream = connect(Number(server.port), server.hostname);
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  }).listen(port, '127.0.0.1');
  t.teardown(() => void proxy.close());
  t.is(await migrate.ended, 0, migrate.said.text);
  t.regex(migrate.said.text, /"msg":"migrated"/);
});

test('migrate ends at once, with one line, when the settings or the login are wrong', async (t) => {
  const { url } = await createTestDatabase(t, { migrated: false });
  const missing = new URL(url);
  missing.pathname = '/no_such_database';
  for (const [wrong, words] of [
    ['mysql://x', /KAGGLE_AGENT_DATABASE_URL: expected postgres/],
    [missing.href, /refused the login or has no such database/],
  ] as const) {
    const migrate = startMigrate(t, wrong);
    t.is(await migrate.ended, 1);
    t.regex(migrate.said.text, words);
    t.is(migrate.said.text.trim().split('\n').length, 1, migrate.said.text);
  }
});
