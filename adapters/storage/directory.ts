import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, link, lstat, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { callerError } from '#core/errors.ts';
import type { ArtifactStore, CreateOutcome, StoredObject } from '#core/ports.ts';
import { checkContentType, checkKey, checkPrefix } from './keys.ts';
import { buildBlobPath, buildLinkTarget, readLinkFacts, walkKeys } from './directory-links.ts';
import type { LinkFacts } from './directory-links.ts';
import {
  damaged,
  describeObject,
  ignoreMissing,
  makeLink,
  openBlob,
  openPlaces,
  removeEmptyFolders,
  streamBlob,
  tooLarge,
} from './directory-objects.ts';
import type { Places } from './directory-objects.ts';
import {
  copyToTemp,
  ensureFolder,
  explainFileError,
  openPlainFile,
  removeFile,
  syncPath,
  systemCode,
  writeTempBytes,
} from './directory-files.ts';
import type { TempFile } from './directory-files.ts';

/** `durable: false` skips fsync: an object may then be lost by a power cut (never by a crash of a process). For tests. */
export interface DirectoryStoreOptions {
  readonly root: string;
  readonly durable?: boolean;
}

/**
 * Write-once object store in a folder, for one machine: `keys/` holds one link an object, `blobs/` the bytes, `tmp/` unfinished ones.
 * Safe for many processes at once. One key can't be both an object and a folder of others (`invalid-query`).
 */
export function createDirectoryStore(options: DirectoryStoreOptions): ArtifactStore {
  return new DirectoryStore(options.root, options.durable ?? true);
}

class DirectoryStore implements ArtifactStore {
  readonly #root: string;
  readonly #durable: boolean;
  #places: Promise<Places> | null = null;
  readonly #shards = new Set<string>();

  constructor(root: string, durable: boolean) {
    this.#root = root;
    this.#durable = durable;
  }

  async createObject(key: string, body: Uint8Array | string, contentType: string): Promise<CreateOutcome> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    return this.#run(`writing ${key}`, key, contentType, async (places) => {
      const found = await readLinkFacts(places.keys, key);
      if (found !== null) return this.#reportExisting(places, key, found, createHash('sha256').update(bytes).digest('hex'));
      return this.#publish(places, key, contentType, await writeTempBytes(places.temp, bytes));
    });
  }

  async createObjectFromFile(key: string, path: string, contentType: string): Promise<CreateOutcome> {
    return this.#run(`writing ${key}`, key, contentType, async (places) => {
      const source = await openPlainFile(path);
      return this.#createFrom(places, key, contentType, source);
    });
  }

  async copyObject(from: string, to: string): Promise<CreateOutcome> {
    checkKey(from);
    return this.#run(`copying ${from}`, to, null, async (places) => {
      const facts = await readLinkFacts(places.keys, from);
      if (facts === null) throw callerError('file-not-found', 404, `there is no object ${from} to copy`);
      const blob = join(places.root, buildBlobPath(to, facts));
      await this.#ensureShard(places, dirname(blob));
      try {
        await link(join(places.root, buildBlobPath(from, facts)), blob);
      } catch (error) {
        if (systemCode(error) === 'ENOENT') throw damaged(from, 'its bytes are missing');
        if (systemCode(error) !== 'EEXIST') return this.#createFrom(places, to, facts.contentType, await openBlob(places, from, facts));
      }
      return this.#publishBlob(places, to, facts, blob);
    });
  }

  async statObject(key: string): Promise<StoredObject | null> {
    return this.#run(`reading ${key}`, key, null, (places) => describeObject(places, key));
  }

  async readObject(key: string, maxBytes: number): Promise<Uint8Array | null> {
    return this.#run(`reading ${key}`, key, null, async (places) => {
      const facts = await readLinkFacts(places.keys, key);
      if (facts === null) return null;
      if (facts.bytes > maxBytes) throw tooLarge(key, facts.bytes, maxBytes);
      const handle = await openBlob(places, key, facts);
      try {
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    });
  }

  async openObject(key: string, range?: { readonly start: number }): ReturnType<ArtifactStore['openObject']> {
    const start = range?.start ?? 0;
    if (!Number.isSafeInteger(start) || start < 0) throw callerError('invalid-query', 400, `a range can't start at byte ${start}`);
    return this.#run(`reading ${key}`, key, null, async (places) => {
      const object = await describeObject(places, key);
      return object === null ? null : { object, stream: streamBlob(places, object, start) };
    });
  }

  async listObjects(params: { readonly prefix: string; readonly after: string | null; readonly limit: number }): Promise<StoredObject[]> {
    checkPrefix(params.prefix);
    return this.#run(`listing ${params.prefix}`, null, null, async (places) => {
      const found: StoredObject[] = [];
      if (params.limit <= 0) return found;
      for await (const key of walkKeys(places.keys, params.prefix, params.after)) {
        const object = await describeObject(places, key);
        if (object !== null) found.push(object);
        if (found.length >= params.limit) break;
      }
      return found;
    });
  }

  async deletePrefix(prefix: string): Promise<number> {
    checkPrefix(prefix);
    return this.#run(`deleting ${prefix}`, null, null, async (places) => {
      let deleted = 0;
      for await (const key of walkKeys(places.keys, prefix, null)) {
        const facts = await readLinkFacts(places.keys, key);
        if (facts === null) continue;
        await unlink(join(places.keys, key)).catch(ignoreMissing);
        await removeFile(join(places.root, buildBlobPath(key, facts)));
        await removeEmptyFolders(places.keys, dirname(key));
        deleted += 1;
      }
      return deleted;
    });
  }

  async ping(): Promise<void> {
    await this.#run('checking', null, null, async (places) => {
      await access(places.keys, constants.W_OK);
    });
  }

  async #run<T>(doing: string, key: string | null, contentType: string | null, work: (places: Places) => Promise<T>): Promise<T> {
    if (key !== null) checkKey(key);
    if (contentType !== null) checkContentType(contentType);
    try {
      return await work(await this.#open());
    } catch (error) {
      throw explainFileError(error, this.#root, doing);
    }
  }

  async #open(): Promise<Places> {
    this.#places ??= openPlaces(this.#root).catch((error: unknown) => {
      this.#places = null;
      throw error;
    });
    return this.#places;
  }

  async #createFrom(places: Places, key: string, contentType: string, source: FileHandle): Promise<CreateOutcome> {
    try {
      return await this.#publish(places, key, contentType, await copyToTemp(places.temp, source));
    } finally {
      await source.close();
    }
  }

  async #publish(places: Places, key: string, contentType: string, temp: TempFile): Promise<CreateOutcome> {
    const facts = { bytes: temp.bytes, sha256: temp.sha256, contentType };
    const blob = join(places.root, buildBlobPath(key, facts));
    try {
      await this.#ensureShard(places, dirname(blob));
      await rename(temp.path, blob);
    } catch (error) {
      await removeFile(temp.path);
      throw error;
    }
    return this.#publishBlob(places, key, facts, blob);
  }

  /** The one step that makes the object exist. A loser takes its bytes back, unless the winner's link names the very same blob. */
  async #publishBlob(places: Places, key: string, facts: LinkFacts, blob: string): Promise<CreateOutcome> {
    // Bytes and their name first: after a power cut a link never points at less than the whole.
    if (this.#durable) await Promise.all([syncPath(blob), syncPath(dirname(blob))]);
    const path = join(places.keys, key);
    if (await makeLink(places, key, buildLinkTarget(key, facts), this.#durable)) {
      if (this.#durable) await syncPath(dirname(path));
      return { kind: 'created', object: { key, ...facts, createdAt: (await lstat(path)).mtime } };
    }
    const winner = await readLinkFacts(places.keys, key);
    if (winner === null || buildBlobPath(key, winner) !== buildBlobPath(key, facts)) await removeFile(blob);
    if (winner !== null) return this.#reportExisting(places, key, winner, facts.sha256);
    throw callerError(
      'invalid-query',
      400,
      `storage key ${JSON.stringify(key.slice(0, 120))} is a folder of other objects, or a foreign link`,
    );
  }

  /** "The same bytes are there" is a promise too, so the winner's link is made durable before we say it. */
  async #reportExisting(places: Places, key: string, found: LinkFacts, sha256: string): Promise<CreateOutcome> {
    const same = found.sha256 === sha256;
    if (same && this.#durable) await syncPath(dirname(join(places.keys, key)));
    return { kind: 'exists', same };
  }

  async #ensureShard(places: Places, folder: string): Promise<void> {
    if (this.#shards.has(folder)) return;
    await ensureFolder(folder, places.root, this.#durable);
    this.#shards.add(folder);
  }
}
