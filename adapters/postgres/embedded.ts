import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { findPostgresBinaries } from './find-binaries.ts';
import { findPostmaster, removeStalePidFile, stopPostmaster, waitUntilReady, type Postmaster } from './postmaster.ts';
import { withProcessLock } from './process-lock.ts';
import { chooseServerAccount, type ServerAccount } from './server-account.ts';

export interface EmbeddedPostgresOptions {
  /** Made on the first start. Beside it: `<name>.password` (0600) and, while starting, `<name>.lock`. */
  readonly dataDir: string;
  /** 0 or absent: any free port. A server that is adopted keeps the port it has. */
  readonly port?: number;
  /** What the server itself prints is appended here. */
  readonly logFile: string;
  /** False gives up durability for speed: for tests only. */
  readonly fsync?: boolean;
  readonly maxConnections?: number;
  /** Never use a user namespace, as where the system refuses them. */
  readonly forbidNamespace?: boolean;
}

export interface EmbeddedPostgres {
  /** Of the superuser, with its password; database `postgres`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Whether the server was found running, left behind by an earlier process. */
  readonly adopted: boolean;
  /** Fast shutdown; resolves when the server has ended. Calling it twice is harmless. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 120_000;
const keptLogBytes = 16 * 1024 * 1024;
const portTries = 5;
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where the data of `dataDir` really lie and how the server is started: see `chooseServerAccount`. */
async function locate(options: EmbeddedPostgresOptions): Promise<{ account: ServerAccount; dataDir: string }> {
  const account = await chooseServerAccount(findPostgresBinaries(), { forbidNamespace: options.forbidNamespace ?? false });
  return { account, dataDir: account.locateData(resolve(options.dataDir)) };
}

/**
 * Starts the real Postgres server on `dataDir` (made first if needed), or adopts the one that already runs on it. It listens on 127.0.0.1
 * only, asks for a password, and lives in a session of its own: it survives the death of this process until `stop()`. Throws an Error with
 * the server's own last words when it cannot start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const asked = resolve(options.dataDir);
  mkdirSync(dirname(asked), { recursive: true });
  mkdirSync(dirname(resolve(options.logFile)), { recursive: true });
  return withProcessLock(`${asked}.lock`, async () => {
    const { account, dataDir } = await locate(options);
    const password = readOrMakePassword(`${asked}.password`, dataDir);
    const found = findPostmaster(dataDir);
    if (found !== null) {
      const ready = await waitUntilReady(dataDir, () => findPostmaster(dataDir) === null, readyTimeoutMs);
      if (ready !== null) return describeServer(ready, dataDir, password, true);
    }
    await initialize(account, dataDir, password, options);
    removeStalePidFile(dataDir);
    return describeServer(await startServer(account, dataDir, options), dataDir, password, false);
  });
}

/** Removes a stopped server's data, wherever they lie, with its password and log. For temporary servers. */
export async function removeEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<void> {
  const { dataDir, account } = await locate(options);
  await stopPostmaster(dataDir);
  const places = [resolve(options.dataDir), `${resolve(options.dataDir)}.password`, resolve(options.logFile)];
  if (account.kind === 'other-user') places.push(dirname(dataDir));
  for (const place of places) rmSync(place, { recursive: true, force: true });
}

function describeServer(postmaster: Postmaster, dataDir: string, password: string, adopted: boolean): EmbeddedPostgres {
  const url = `postgres://postgres:${password}@127.0.0.1:${postmaster.port}/postgres`;
  return { url, port: postmaster.port, pid: postmaster.pid, adopted, stop: () => stopPostmaster(dataDir) };
}

function readOrMakePassword(path: string, dataDir: string): string {
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  if (existsSync(join(dataDir, 'PG_VERSION'))) {
    throw new Error(
      `the password file ${path} of the database in ${dataDir} is gone: put it back, or remove the data folder to start empty`,
    );
  }
  const password = randomBytes(24).toString('hex');
  writeFileSync(`${path}.new`, `${password}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return password;
}

/** Makes the data folder under another name and renames it when it is whole, so that an interrupted start leaves no half of one. */
async function initialize(account: ServerAccount, dataDir: string, password: string, options: EmbeddedPostgresOptions): Promise<void> {
  if (existsSync(join(dataDir, 'PG_VERSION'))) return;
  const parent = dirname(dataDir);
  const mark = `${basename(dataDir)}.init-`;
  for (const name of readdirSync(parent)) if (name.startsWith(mark)) rmSync(join(parent, name), { recursive: true, force: true });
  const fresh = join(parent, `${mark}${process.pid}`);
  mkdirSync(fresh, { mode: 0o700 });
  account.handOver(fresh);
  const passwordFile = join(parent, `${mark}password`);
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  account.handOver(passwordFile);
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const durability = options.fsync === false ? ['--no-sync'] : [];
  try {
    const { child } = spawnServerProgram(
      account,
      account.binaries.initdb,
      ['-D', fresh, ...locale, ...access, ...durability],
      options.logFile,
    );
    const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
    if (code !== 0) throw new Error(`Postgres could not make its data folder ${dataDir}: ${readLastWords(options.logFile)}`);
    // Renaming over an empty folder works; over a filled one it fails, and whatever is in there is not ours to remove.
    renameSync(fresh, dataDir);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(fresh, { recursive: true, force: true });
  }
}

function spawnServerProgram(account: ServerAccount, program: string, args: readonly string[], logFile: string) {
  const log = openSync(logFile, 'a', 0o600);
  try {
    const [command = program, ...rest] = [...account.prefix, program, ...args];
    const env = { PATH: systemPath, LC_ALL: 'C', TZ: 'UTC' };
    const child = spawn(command, rest, { ...account.spawnOptions, cwd: '/', env, detached: true, stdio: ['ignore', log, log] });
    let hasEnded = false;
    child.once('close', () => (hasEnded = true)).on('error', () => (hasEnded = true));
    return { child, hasEnded: () => hasEnded };
  } finally {
    closeSync(log);
  }
}

async function startServer(account: ServerAccount, dataDir: string, options: EmbeddedPostgresOptions): Promise<Postmaster> {
  if (existsSync(options.logFile) && statSync(options.logFile).size > keptLogBytes) renameSync(options.logFile, `${options.logFile}.1`);
  for (let tried = 1; ; tried++) {
    const logStart = existsSync(options.logFile) ? statSync(options.logFile).size : 0;
    const port = options.port || (await findFreePort());
    const settings = makeSettings(options, port).flatMap((setting) => ['-c', setting]);
    const { child, hasEnded } = spawnServerProgram(account, account.binaries.postgres, ['-D', dataDir, ...settings], options.logFile);
    const ready = await waitUntilReady(dataDir, hasEnded, readyTimeoutMs);
    child.unref();
    if (ready !== null) return ready;
    const words = readFileSync(options.logFile, 'utf8').slice(logStart);
    // Between finding a free port and taking it, another process may have been quicker.
    const isPortTaken = words.includes('Address already in use');
    if (!isPortTaken || options.port || tried === portTries) {
      throw new Error(`Postgres did not start on ${dataDir} (log: ${options.logFile}): ${readLastWords(options.logFile)}`);
    }
  }
}

function makeSettings(options: EmbeddedPostgresOptions, port: number): string[] {
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${options.maxConnections ?? 100}`,
    'timezone=UTC',
    'log_timezone=UTC',
    'jit=off',
  ];
  return options.fsync === false ? [...settings, 'fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : settings;
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('the system gave no free TCP port');
  return address.port;
}

/** The last line of the server's log that names a fault, else its last line. */
function readLastWords(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n').slice(-30);
  return lines.findLast((line) => /FATAL|PANIC|ERROR|error:|refused|denied/.test(line)) ?? lines.at(-1) ?? 'it printed nothing';
}
