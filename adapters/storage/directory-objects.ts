import { constants } from 'node:fs';
import { lstat, mkdir, open, realpath, rmdir, symlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { callerError, unavailable } from '#core/errors.ts';
import type { StoredObject } from '#core/ports.ts';
import { readChunks } from './chunks.ts';
import { ensureFolder, sweepTempFiles, systemCode } from './directory-files.ts';
import { buildBlobPath, readLinkFacts } from './directory-links.ts';
import type { LinkFacts } from './directory-links.ts';

/** Real paths of an opened store's folders. */
export interface Places {
  readonly root: string;
  readonly keys: string;
  readonly temp: string;
}

/** Makes the store's folders and sweeps what crashed writers left in `tmp`. */
export async function openPlaces(path: string): Promise<Places> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const root = await realpath(path);
  const places = { root, keys: join(root, 'keys'), temp: join(root, 'tmp') };
  for (const folder of [places.keys, places.temp, join(root, 'blobs')]) await ensureFolder(folder, root, true);
  await sweepTempFiles(places.temp, Date.now());
  return places;
}

/** False when something is there already. Makes the folder on the way when it is missing (or was just pruned by a deletion). */
export async function makeLink(places: Places, key: string, target: string, durable: boolean): Promise<boolean> {
  const path = join(places.keys, key);
  for (let tries = 1; ; tries += 1) {
    await ensureFolder(dirname(path), places.keys, durable);
    try {
      await symlink(target, path);
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST') return false;
      if (systemCode(error) !== 'ENOENT' || tries >= 10) throw error;
    }
  }
}

/** What is known of an object, or null when it is missing. */
export async function describeObject(places: Places, key: string): Promise<StoredObject | null> {
  const facts = await readLinkFacts(places.keys, key);
  if (facts === null) return null;
  const found = await lstat(join(places.keys, key)).catch(ignoreMissing);
  return found === undefined ? null : { key, ...facts, createdAt: found.mtime };
}

/** Opens an object's bytes; throws AgentError `unavailable` when they are missing or cut short. */
export async function openBlob(places: Places, key: string, facts: LinkFacts): Promise<FileHandle> {
  const path = join(places.root, buildBlobPath(key, facts));
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw systemCode(error) === 'ENOENT' ? damaged(key, 'its bytes are missing') : error;
  });
  const { size } = await handle.stat();
  if (size === facts.bytes) return handle;
  await handle.close();
  throw damaged(key, `it has ${size} bytes instead of ${facts.bytes}`);
}

/** An object's bytes from `start`; the file is opened when the first chunk is asked for, so an unused stream holds nothing. */
export async function* streamBlob(places: Places, object: StoredObject, start: number): AsyncGenerator<Uint8Array> {
  const handle = await openBlob(places, object.key, object);
  try {
    yield* readChunks(handle, start);
  } finally {
    await handle.close();
  }
}

/** Removes a folder of keys and its parents while they are empty. */
export async function removeEmptyFolders(keysRoot: string, folder: string): Promise<void> {
  for (let path = folder; path !== '.'; path = dirname(path)) {
    const gone = await rmdir(join(keysRoot, path)).then(
      () => true,
      () => false,
    );
    if (!gone) return;
  }
}

/** For `catch`: swallows ENOENT only. */
export function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
}

/** AgentError `unavailable` for an object whose bytes are not those it was stored with. */
export function damaged(key: string, how: string): Error {
  return unavailable(`object ${key} in storage is damaged: ${how}; restore it from a backup or start the job again`);
}

/** AgentError `body-too-large` for a read with a cap. */
export function tooLarge(key: string, bytes: number, maxBytes: number): Error {
  return callerError('body-too-large', 413, `object ${key} has ${bytes} bytes, more than the ${maxBytes} allowed here`);
}
