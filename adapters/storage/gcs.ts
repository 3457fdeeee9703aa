import { createHash, randomUUID } from 'node:crypto';
import { IdempotencyStrategy, Storage } from '@google-cloud/storage';
import type { Bucket, File, FileMetadata } from '@google-cloud/storage';
import { callerError, unavailable } from '#core/errors.ts';
import type { ArtifactStore, CreateOutcome, StoredObject } from '#core/ports.ts';
import { collectBytes, hashChunks, readChunks, rejectOtherBytes } from './chunks.ts';
import { openPlainFile } from './directory-files.ts';
import { downloadMedia } from './gcs-download.ts';
import type { MediaSource } from './gcs-download.ts';
import { READ_TRIES, explainGcsError, httpCode, isBrokenRead, missingAsNull, retryBrokenReads, withDeadline } from './gcs-errors.ts';
import { MAX_KEY_BYTES, checkContentType, checkKey, checkPrefix } from './keys.ts';

const SMALL_FILE_BYTES = 8 * 1024 * 1024;
const SMALL_TIMEOUT_MS = 60_000;
const LARGE_TIMEOUT_MS = 15 * 60_000;
const PAGE_SIZE = 1000;
/** On every write: create-only. Without it one write would also switch the client's retries off for good. */
const CREATE_ONLY = { ifGenerationMatch: 0 } as const;

/** `apiEndpoint` points at an emulator, to which no credentials are sent; else the default credentials (workload identity) are used. */
export interface GcsStoreOptions {
  readonly bucket: string;
  readonly prefix?: string;
  readonly apiEndpoint?: string;
  readonly projectId?: string;
}

/** Write-once object store in a Google Cloud Storage bucket; every object carries its sha256 as custom metadata. */
export function createGcsStore(options: GcsStoreOptions): ArtifactStore {
  const storage = new Storage({
    ...(options.apiEndpoint === undefined ? {} : { apiEndpoint: options.apiEndpoint }),
    ...(options.projectId === undefined ? {} : { projectId: options.projectId }),
    timeout: SMALL_TIMEOUT_MS,
    // Safe to repeat: each write is create-only and each deletion names a generation.
    retryOptions: {
      autoRetry: true,
      maxRetries: 4,
      maxRetryDelay: 8,
      totalTimeout: 45,
      idempotencyStrategy: IdempotencyStrategy.RetryAlways,
    },
  });
  const prefix = (options.prefix ?? '').replaceAll(/^\/+|\/+$/g, '');
  const media: MediaSource = {
    endpoint: options.apiEndpoint?.replace(/\/+$/, '') ?? storage.apiEndpoint,
    bucket: options.bucket,
    authorize: async () => new Headers(options.apiEndpoint === undefined ? await storage.authClient.getRequestHeaders() : undefined),
  };
  return new GcsStore(storage.bucket(options.bucket), prefix === '' ? '' : `${prefix}/`, media);
}

class GcsStore implements ArtifactStore {
  readonly #bucket: Bucket;
  readonly #prefix: string;
  readonly #media: MediaSource;

  constructor(bucket: Bucket, prefix: string, media: MediaSource) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#media = media;
  }

  async createObject(key: string, body: Uint8Array | string, contentType: string): Promise<CreateOutcome> {
    const file = this.#file(key);
    checkContentType(contentType);
    const bytes = Buffer.from(body);
    const labels = { sha256: createHash('sha256').update(bytes).digest('hex'), writer: randomUUID() };
    const save = () => file.save(bytes, { ...describeUpload(contentType, labels), resumable: false });
    return this.#create(key, file, labels, SMALL_TIMEOUT_MS, save);
  }

  async createObjectFromFile(key: string, path: string, contentType: string): Promise<CreateOutcome> {
    const file = this.#file(key);
    checkContentType(contentType);
    const source = await openPlainFile(path);
    try {
      const { size } = await source.stat();
      if (size <= SMALL_FILE_BYTES) return await this.createObject(key, await source.readFile(), contentType);
      const labels = { sha256: await hashChunks(readChunks(source, 0)), writer: randomUUID() };
      const body = () => rejectOtherBytes(readChunks(source, 0), labels.sha256, path);
      const save = () => file.save(body, { ...describeUpload(contentType, labels), resumable: true });
      return await this.#create(key, file, labels, LARGE_TIMEOUT_MS, save);
    } finally {
      await source.close();
    }
  }

  async copyObject(from: string, to: string): Promise<CreateOutcome> {
    const source = this.#file(from);
    const target = this.#file(to);
    const object = await this.statObject(from);
    if (object === null) throw callerError('file-not-found', 404, `there is no object ${from} to copy`);
    const labels = { sha256: object.sha256, writer: randomUUID() };
    // Looked up first as well: the emulator of our tests ignores the precondition of a copy, Google Cloud Storage does not.
    const existing = await this.statObject(to);
    if (existing !== null) return { kind: 'exists', same: existing.sha256 === labels.sha256 };
    const copy = async () => {
      await source.copy(target, { preconditionOpts: { ...CREATE_ONLY }, contentType: object.contentType, metadata: labels });
      await target.getMetadata();
    };
    return this.#create(to, target, labels, LARGE_TIMEOUT_MS, copy);
  }

  async statObject(key: string): Promise<StoredObject | null> {
    const file = this.#file(key);
    const read = () => file.getMetadata();
    const found = await this.#run(`reading ${key}`, SMALL_TIMEOUT_MS, () => missingAsNull(read));
    return found === null ? null : this.#toStored(file, found[0]);
  }

  async readObject(key: string, maxBytes: number): Promise<Uint8Array | null> {
    const file = this.#file(key);
    const read = () => collectBytes(downloadMedia(this.#media, file.name, 0), key, maxBytes);
    return this.#run(`reading ${key}`, SMALL_TIMEOUT_MS, () => missingAsNull(() => retryBrokenReads(read)));
  }

  async openObject(key: string, range?: { readonly start: number }): ReturnType<ArtifactStore['openObject']> {
    const start = range?.start ?? 0;
    if (!Number.isSafeInteger(start) || start < 0) throw callerError('invalid-query', 400, `a range can't start at byte ${start}`);
    const object = await this.statObject(key);
    return object === null ? null : { object, stream: this.#stream(object, start) };
  }

  async listObjects(params: { readonly prefix: string; readonly after: string | null; readonly limit: number }): Promise<StoredObject[]> {
    checkPrefix(params.prefix);
    const found: StoredObject[] = [];
    if (params.limit <= 0) return found;
    for await (const file of this.#walk(params.prefix, params.after, params.limit + 1)) {
      found.push(await this.#toStored(file, file.metadata));
      if (found.length >= params.limit) break;
    }
    return found;
  }

  async deletePrefix(prefix: string): Promise<number> {
    checkPrefix(prefix);
    let deleted = 0;
    for await (const file of this.#walk(prefix, null, PAGE_SIZE)) {
      const options = { ifGenerationMatch: file.metadata.generation ?? 0, ignoreNotFound: true };
      await this.#run(`deleting ${file.name}`, SMALL_TIMEOUT_MS, () => file.delete(options));
      deleted += 1;
    }
    return deleted;
  }

  async ping(): Promise<void> {
    const query = { prefix: this.#prefix, maxResults: 1, autoPaginate: false };
    await this.#run('checking', SMALL_TIMEOUT_MS, () => this.#bucket.getFiles(query));
  }

  #file(key: string): File {
    checkKey(key);
    if (Buffer.byteLength(this.#prefix + key) > MAX_KEY_BYTES) {
      throw callerError(
        'invalid-query',
        400,
        `storage key ${JSON.stringify(key.slice(0, 120))} is too long under the prefix ${this.#prefix}`,
      );
    }
    return this.#bucket.file(this.#prefix + key);
  }

  /** On 412 our own label on the winner means that our first reply was lost: we did create it. */
  async #create(key: string, file: File, labels: Labels, timeoutMs: number, write: () => Promise<unknown>): Promise<CreateOutcome> {
    const created = await this.#run(`writing ${key}`, timeoutMs, async () => {
      try {
        await write();
      } catch (error) {
        if (httpCode(error) !== 412) throw error;
        const [winner] = await file.getMetadata();
        return winner.metadata?.['writer'] === labels.writer;
      }
      return true;
    });
    const object = await this.#toStored(file, file.metadata);
    return created ? { kind: 'created', object } : { kind: 'exists', same: object.sha256 === labels.sha256 };
  }

  async *#walk(prefix: string, after: string | null, pageSize: number): AsyncGenerator<File> {
    const startOffset = after === null ? {} : { startOffset: this.#prefix + after };
    const maxResults = Math.min(pageSize, PAGE_SIZE);
    let query: object | null = { prefix: this.#prefix + prefix, ...startOffset, maxResults, autoPaginate: false };
    while (query !== null) {
      const page: object = query;
      const [files, next] = await this.#run(`listing ${prefix}`, SMALL_TIMEOUT_MS, () => this.#bucket.getFiles(page));
      for (const file of files) if (after === null || file.name !== this.#prefix + after) yield file;
      query = next ?? null;
    }
  }

  /** A connection that breaks off is taken up where it ended; write-once objects do not change meanwhile. */
  async *#stream(object: StoredObject, start: number): AsyncGenerator<Uint8Array> {
    let position = start;
    for (let tries = 1; position < object.bytes; tries += 1) {
      try {
        for await (const chunk of downloadMedia(this.#media, this.#prefix + object.key, position)) {
          position += chunk.byteLength;
          yield chunk;
        }
      } catch (error) {
        if (tries >= READ_TRIES || !isBrokenRead(error)) throw explainGcsError(error, this.#bucket.name, `reading ${object.key}`);
      }
      if (tries >= READ_TRIES && position < object.bytes)
        throw unavailable(`object ${object.key} ended at byte ${position} of ${object.bytes}`);
    }
  }

  /** An object that another program put there has no sha256 of ours: its bytes are read once to know it. */
  async #toStored(file: File, metadata: FileMetadata): Promise<StoredObject> {
    const key = file.name.slice(this.#prefix.length);
    const recorded = metadata.metadata?.['sha256'];
    const hash = () => hashChunks(downloadMedia(this.#media, file.name, 0));
    const sha256 =
      typeof recorded === 'string' && /^[0-9a-f]{64}$/.test(recorded)
        ? recorded
        : await this.#run(`hashing ${key}`, LARGE_TIMEOUT_MS, hash);
    const createdAt = new Date(metadata.timeCreated ?? 0);
    return { key, bytes: Number(metadata.size ?? 0), sha256, contentType: metadata.contentType ?? 'application/octet-stream', createdAt };
  }

  async #run<T>(doing: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    try {
      return await withDeadline(work(), timeoutMs);
    } catch (error) {
      throw explainGcsError(error, this.#bucket.name, doing);
    }
  }
}

interface Labels {
  readonly sha256: string;
  readonly writer: string;
}

function describeUpload(contentType: string, labels: Labels) {
  const metadata = { contentType, metadata: { ...labels } };
  return { contentType, metadata, preconditionOpts: { ...CREATE_ONLY }, validation: 'crc32c', gzip: false } as const;
}
