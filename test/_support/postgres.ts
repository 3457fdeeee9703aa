import { createHash, randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import pg from 'pg';
import { migrateToLatest } from '#adapters/postgres/migrate.ts';
import { readStartTicks } from '#adapters/postgres/process-identity.ts';
import { withProcessLock } from '#adapters/postgres/process-lock.ts';

/** Address of the server that all tests of a run share. Set by `npm test`; without it the first test that needs one starts it. */
export const TEST_DATABASE_VARIABLE = 'KAGGLE_AGENT_TEST_DATABASE_URL';

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

const startTimeoutMs = 60_000;
const templateLockKey = 7_240_311;

/** Starts the shared server for a process: it is removed, with its data, when that process ends or `stop` is called. */
export async function startTestServer(ownerPid: number): Promise<{ url: string; stop(): Promise<void> }> {
  const ticks = readStartTicks(ownerPid);
  if (ticks === null) throw new Error(`there is no process ${ownerPid} to own the test server`);
  const folder = join(tmpdir(), `kaggle-agent-test-${ownerPid}-${ticks}`);
  const url = await withProcessLock(`${folder}.lock`, () => startOrJoinServer(folder, ownerPid, ticks));
  const stop = async () => {
    const keeper = readKeeper(folder);
    process.kill(keeper, 'SIGTERM');
    while (existsSync(folder) || readStartTicks(keeper) !== null) await wait(10);
  };
  return { url, stop };
}

/** The process that keeps the server: see postgres-server.ts. */
function readKeeper(folder: string): number {
  return Number(readFileSync(join(folder, 'keeper'), 'utf8'));
}

async function startOrJoinServer(folder: string, ownerPid: number, ticks: string): Promise<string> {
  const urlFile = join(folder, 'url');
  if (existsSync(urlFile) && readStartTicks(readKeeper(folder)) !== null) return readFileSync(urlFile, 'utf8');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const log = openSync(join(folder, 'keeper.log'), 'a');
  const args = [new URL('postgres-server.ts', import.meta.url).pathname, folder, String(ownerPid), ticks];
  const keeper = spawn(process.execPath, args, { cwd: '/', detached: true, stdio: ['ignore', log, log] });
  keeper.unref();
  writeFileSync(join(folder, 'keeper'), String(keeper.pid));
  const deadline = performance.now() + startTimeoutMs;
  while (!existsSync(urlFile) || readFileSync(urlFile, 'utf8') === '') {
    if (keeper.exitCode !== null || performance.now() > deadline) {
      throw new Error(`the test server did not start: ${readFileSync(join(folder, 'keeper.log'), 'utf8').slice(-2000)}`);
    }
    await wait(20);
  }
  return readFileSync(urlFile, 'utf8');
}

let serverUrl: Promise<string> | null = null;

/** The shared server's address: given by the environment, else started for the test runner that this process belongs to. */
function findServer(): Promise<string> {
  const given = process.env[TEST_DATABASE_VARIABLE];
  serverUrl ??= given ? Promise.resolve(given) : startTestServer(process.ppid).then(({ url }) => url);
  return serverUrl;
}

async function withAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function replaceDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** The template's name follows the migrations' contents: a changed migration gets a new template. */
function nameTemplate(): string {
  const folder = new URL('../../adapters/postgres/', import.meta.url);
  const hash = createHash('sha256').update(readFileSync(new URL('migrate.ts', folder)));
  for (const name of readdirSync(new URL('migrations/', folder)).toSorted())
    hash.update(readFileSync(new URL(`migrations/${name}`, folder)));
  return `template_${hash.digest('hex').slice(0, 16)}`;
}

async function databaseExists(client: pg.Client, name: string): Promise<boolean> {
  return (await client.query('select 1 from pg_database where datname = $1', [name])).rowCount === 1;
}

/** Makes the migrated template once; the others wait for it. Built under another name, so that it is whole as soon as it is visible. */
async function makeTemplate(url: string, template: string): Promise<void> {
  await withAdmin(url, async (client) => {
    if (await databaseExists(client, template)) return;
    await client.query('select pg_advisory_lock($1)', [templateLockKey]);
    if (await databaseExists(client, template)) return;
    const building = `${template}_building`;
    await client.query(`drop database if exists ${building} with (force)`);
    await client.query(`create database ${building}`);
    await migrateToLatest(replaceDatabase(url, building));
    await client.query('select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1', [building]);
    await client.query(`alter database ${building} rename to ${template}`);
  });
}

/**
 * Gives a test a database of its own on the real server, migrated to the latest version (`migrated: false`: empty). It is dropped at the
 * end of the test, with whatever connections are left.
 */
export async function createTestDatabase(
  t: Pick<ExecutionContext, 'teardown'>,
  options: { migrated?: boolean } = {},
): Promise<TestDatabase> {
  const serverAddress = await findServer();
  const template = options.migrated === false ? 'template0' : nameTemplate();
  if (options.migrated !== false) await makeTemplate(serverAddress, template);
  const name = `test_${randomBytes(8).toString('hex')}`;
  await withAdmin(serverAddress, (client) => client.query(`create database ${name} template ${template}`));
  const drop = async () => {
    await withAdmin(serverAddress, (client) => client.query(`drop database if exists ${name} with (force)`));
  };
  t.teardown(drop);
  return { url: replaceDatabase(serverAddress, name), drop };
}
