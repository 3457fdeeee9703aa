import { execFile, type SpawnOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './find-binaries.ts';

const run = promisify(execFile);

/** How the server's programs are started here: Postgres refuses to run as root, and initdb refuses an account without a name. */
export interface ServerAccount {
  readonly kind: 'direct' | 'user-namespace' | 'other-user';
  /** Put before every command. */
  readonly prefix: readonly string[];
  readonly spawnOptions: Pick<SpawnOptions, 'uid' | 'gid'>;
  readonly binaries: PostgresBinaries;
  /** Where the data really lie: the folder asked for, or one that the other user can reach. */
  readonly locateData: (dataDir: string) => string;
  /** Gives a path to the account that must read or write it. */
  readonly handOver: (path: string) => void;
}

interface NamedAccount {
  readonly uid: number;
  readonly gid: number;
}

function findUnprivilegedAccount(): NamedAccount | null {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => Number(fields[2]) > 0)
    .map((fields) => ({ name: fields[0], uid: Number(fields[2]), gid: Number(fields[3]) }));
  return accounts.find(({ name }) => name === 'nobody') ?? accounts.at(-1) ?? null;
}

function isNamedUser(): boolean {
  try {
    return userInfo().uid !== 0;
  } catch {
    return false;
  }
}

async function tryNamespace(account: NamedAccount): Promise<readonly string[] | null> {
  const prefix = ['unshare', '--user', `--map-user=${account.uid}`, `--map-group=${account.gid}`];
  try {
    const { stdout } = await run('unshare', [...prefix.slice(1), 'id', '-u'], { timeout: 10_000 });
    return stdout.trim() === String(account.uid) ? prefix : null;
  } catch {
    return null;
  }
}

/** A folder that everybody may write to holds what we left there, or what somebody else put in its place. */
function refuseForeign(path: string, uid: number): void {
  const stat = lstatSync(path);
  if (!stat.isDirectory() || stat.uid !== uid) throw new Error(`${path} was made by another user: remove it and start again`);
}

/** Copies the programs once to a folder that every user can read: the clone may lie below /root. */
function copyBinaries(binaries: PostgresBinaries): PostgresBinaries {
  const key = createHash('sha256').update(binaries.nativeDir).digest('hex').slice(0, 12);
  const target = join('/var/tmp', `kaggle-agent-postgres-${key}`);
  if (existsSync(target)) {
    refuseForeign(target, 0);
  } else {
    const temporary = `${target}.${process.pid}`;
    rmSync(temporary, { recursive: true, force: true });
    cpSync(binaries.nativeDir, temporary, { recursive: true, verbatimSymlinks: true });
    chmodSync(temporary, 0o755);
    renameSync(temporary, target);
  }
  return { nativeDir: target, initdb: join(target, 'bin', 'initdb'), postgres: join(target, 'bin', 'postgres') };
}

/** Makes a folder that the other user can reach, and leaves a link to it at `dataDir`. Returns the real data folder. */
function linkReachableFolder(dataDir: string, account: NamedAccount): string {
  const existing = lstatSync(dataDir, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isSymbolicLink() && existsSync(join(dataDir, 'PG_VERSION'))) {
    throw new Error(
      `${dataDir} belongs to a server started in another way (user namespaces were allowed then): allow them again, or move it away`,
    );
  }
  const key = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const home = join('/var/tmp', `kaggle-agent-data-${key}`);
  if (existsSync(home)) {
    refuseForeign(home, account.uid);
  } else {
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, account.uid, account.gid);
  }
  if (existing === undefined) symlinkSync(join(home, 'postgres'), dataDir);
  return join(home, 'postgres');
}

function useOtherUser(account: NamedAccount, binaries: PostgresBinaries): ServerAccount {
  const handOver = (path: string) => chownSync(path, account.uid, account.gid);
  return {
    kind: 'other-user',
    prefix: [],
    spawnOptions: { uid: account.uid, gid: account.gid },
    binaries: copyBinaries(binaries),
    locateData: (dataDir) => linkReachableFolder(dataDir, account),
    handOver,
  };
}

/**
 * Chooses how to start the server: as we are; else inside a user namespace that maps us to an unprivileged name (no users made, no owners
 * changed); else, as root where namespaces are refused, as an existing unprivileged user with programs and data where it can reach them.
 * Throws an Error that says what to do when nothing works.
 */
export async function chooseServerAccount(binaries: PostgresBinaries, options: { forbidNamespace?: boolean } = {}): Promise<ServerAccount> {
  const asWeAre = { spawnOptions: {}, binaries, locateData: (dataDir: string) => dataDir, handOver: () => {} };
  if (isNamedUser()) return { ...asWeAre, kind: 'direct', prefix: [] };
  const account = findUnprivilegedAccount();
  if (account !== null && options.forbidNamespace !== true) {
    const prefix = await tryNamespace(account);
    if (prefix !== null) return { ...asWeAre, kind: 'user-namespace', prefix };
  }
  if (account === null || process.getuid?.() !== 0) {
    throw new Error('Postgres cannot be started by this account: run as a user that is listed in /etc/passwd and is not root');
  }
  return useOtherUser(account, binaries);
}
