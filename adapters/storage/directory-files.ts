import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, stat, unlink, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AgentError, callerError, unavailable } from '#core/errors.ts';
import { readChunks } from './chunks.ts';

const TEMP_MAX_AGE_MS = 24 * 3_600_000;

/** Code of a system error (`ENOENT`), or null for anything else. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** Turns a system error into AgentError `unavailable` with a clear line; anything else comes back unchanged. */
export function explainFileError(error: unknown, root: string, doing: string): unknown {
  const code = systemCode(error);
  if (error instanceof AgentError || code === null) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return unavailable(`storage is full (${code}) while ${doing} under ${root}: free some space, then try again`, error);
  }
  return unavailable(`storage failed (${code}) while ${doing} under ${root}: check that the folder exists and is writable`, error);
}

/** Makes a file's bytes, or the names inside a folder, survive a power cut. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes `path` and its missing parents up to `root` (a real path), and refuses to go through a link or an object. */
export async function ensureFolder(path: string, root: string, durable: boolean): Promise<void> {
  const real = await realpath(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return null;
    if (systemCode(error) === 'ENOTDIR' || systemCode(error) === 'ELOOP') return '';
    throw error;
  });
  if (real === path) return;
  if (real !== null || path === root) {
    const name = path.slice(root.length + 1, root.length + 121);
    throw callerError(
      'invalid-query',
      400,
      `storage key goes through ${JSON.stringify(name)}, which is an object or a link and not a folder`,
    );
  }
  await ensureFolder(dirname(path), root, durable);
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (systemCode(error) !== 'EEXIST') throw error;
  });
  if (durable) await syncPath(dirname(path));
}

/** A finished temporary file: whole and hashed, not yet synced to disk. */
export interface TempFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes bytes to a new file in `folder`; leaves nothing behind when it fails. */
export async function writeTempBytes(folder: string, body: Uint8Array): Promise<TempFile> {
  const path = join(folder, tempName());
  try {
    await writeFile(path, body, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    await removeFile(path);
    throw error;
  }
  return { path, bytes: body.byteLength, sha256: createHash('sha256').update(body).digest('hex') };
}

/** Copies an open file to a new one in `folder`, hashing what is written; leaves nothing behind when it fails. */
export async function copyToTemp(folder: string, source: FileHandle): Promise<TempFile> {
  const path = join(folder, tempName());
  try {
    const target = await open(path, 'wx', 0o600);
    try {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of readChunks(source, 0)) {
        hash.update(chunk);
        for (let done = 0; done < chunk.byteLength;) done += (await target.write(chunk, done)).bytesWritten;
        bytes += chunk.byteLength;
      }
      return { path, bytes, sha256: hash.digest('hex') };
    } finally {
      await target.close();
    }
  } catch (error) {
    await removeFile(path);
    throw error;
  }
}

/** Opens a plain file for reading; refuses links, pipes and devices. Throws AgentError `file-not-found` when it is missing. */
export async function openPlainFile(path: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') throw callerError('file-not-found', 404, `there is no file ${path} to store`);
    if (systemCode(error) === 'ELOOP') throw callerError('invalid-query', 400, `${path} is a link: only plain files are stored`);
    throw error;
  });
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw callerError('invalid-query', 400, `${path} is not a plain file: only plain files are stored`);
}

/** Removes a file; a missing one is fine, and so is any other failure (what is left over is swept at the next start). */
export async function removeFile(path: string): Promise<void> {
  await unlink(path).catch(() => undefined);
}

/** Deletes temporary files whose writer is gone, or that are a day old. */
export async function sweepTempFiles(folder: string, nowMs: number): Promise<number> {
  let swept = 0;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found === null) continue;
    const pid = Number(name.split('-')[0]);
    if (Number.isInteger(pid) && pid > 0 && isAlive(pid) && nowMs - found.mtimeMs < TEMP_MAX_AGE_MS) continue;
    await removeFile(path);
    swept += 1;
  }
  return swept;
}

function tempName(): string {
  return `${process.pid}-${randomUUID()}`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
