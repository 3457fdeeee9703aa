import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Download } from '#core/kaggle.ts';
import { KaggleError } from '#core/kaggle-error.ts';
import { readRetryAfterMs, refusalToError } from './refusals.ts';
import { checkStorageUrl } from './storage-url.ts';
import { fetchOnce, networkError, retryReads, sendRpc, type RpcCall, type TransportSettings } from './transport.ts';

/** What the first bytes of a partial file belong to; another object behind the same address must not be glued to them. */
const PartNote = z.object({ md5: z.string().nullable(), lastModified: z.string().nullable(), totalBytes: z.number().nullable() });
type PartNote = z.infer<typeof PartNote>;

/** How to fetch one file: which call gives its signed URL, where it goes, and who wants to hear of progress. */
export interface DownloadOrder {
  call: RpcCall;
  dir: string;
  fileName: string;
  maxBytes: number;
  onProgress?: ((progress: { bytes: number; totalBytes: number | null }) => void) | undefined;
}

/**
 * Download a file as `<dir>/<fileName>`: written as `.part`, continued with Range after a break, checked against `x-goog-hash` and renamed
 * when complete. The signed URL is asked for anew at each try, and `Authorization` never goes to storage.
 */
export async function downloadFile(settings: TransportSettings, order: DownloadOrder): Promise<Download> {
  await mkdir(order.dir, { recursive: true });
  const path = join(order.dir, order.fileName);
  const part = `${path}.part`;
  let resumed = false;
  const md5 = await retryReads(settings, order.call, async () => {
    const offset = await partBytes(part);
    resumed ||= offset > 0;
    return fetchRest(settings, order, part, offset);
  });
  const { size } = await stat(part);
  await rename(part, path);
  await rm(`${part}.json`, { force: true });
  return { path, bytes: size, md5, resumed };
}

async function partBytes(part: string): Promise<number> {
  return stat(part).then(
    (found) => found.size,
    () => 0,
  );
}

/** Fetch what is missing of the part file; resolves with the md5 it was checked against, null when storage gave none. */
async function fetchRest(settings: TransportSettings, order: DownloadOrder, part: string, offset: number): Promise<string | null> {
  const { response, url } = await openStorage(settings, order.call, offset);
  const known = await readNote(part);
  const found = describeObject(response, offset);
  const isSame = offset === 0 || (known !== null && sameObject(known, found));
  if (response.status === 416 || !isSame || (offset > 0 && response.status !== 206)) {
    await response.body?.cancel();
    if (response.status === 416 && isSame && known?.totalBytes === offset) return verifyMd5(part, known.md5);
    await rm(part, { force: true });
    throw new KaggleError('unavailable', 'The file changed at Kaggle while it was downloaded. It is fetched again from the start.', {
      retryAfterMs: 0,
    });
  }
  await writeFile(`${part}.json`, JSON.stringify(found));
  await appendBody(settings, order, { response, url, part, offset, totalBytes: found.totalBytes });
  return verifyMd5(part, found.md5);
}

/** Ask Kaggle for the signed URL (or the bytes themselves), then storage for the bytes from `offset` on. */
async function openStorage(settings: TransportSettings, call: RpcCall, offset: number): Promise<{ response: Response; url: string }> {
  const first = await sendRpc(settings, call);
  if (first.response.status === 200) return checkKind(first.response, first.path);
  await first.response.body?.cancel();
  const location = first.response.headers.get('location');
  if (location === null)
    throw new KaggleError('invalid-response', `Kaggle answered ${first.response.status} without an address.`, { path: first.path });
  const url = checkStorageUrl(settings, location);
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(), settings.idleTimeoutMs);
  const signal = call.signal ? AbortSignal.any([call.signal, idle.signal]) : idle.signal;
  const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
  const response = await fetchOnce(settings, url, { headers, signal, outerSignal: call.signal }).finally(() => clearTimeout(timer));
  if (response.status < 300 || response.status === 416) return { response, url };
  await response.body?.cancel();
  throw storageRefusal(settings, response, call.slug, new URL(url).pathname);
}

/** Bytes sent directly: no Range was asked for, so a part file begins anew; a page instead of data is no answer. */
function checkKind(response: Response, path: string): { response: Response; url: string } {
  if (/text\/html|application\/json/.test(response.headers.get('content-type') ?? '')) {
    void response.body?.cancel();
    throw new KaggleError('invalid-response', 'Kaggle sent a page instead of the data. Try again later.', {
      path,
      status: response.status,
    });
  }
  return { response, url: response.url };
}

function storageRefusal(settings: TransportSettings, response: Response, slug: string | null, path: string): KaggleError {
  const { status } = response;
  if (status === 400 || status === 401 || status === 403) {
    return new KaggleError('expired-url', 'The download address has expired; a new one is asked for.', { status, path, retryAfterMs: 0 });
  }
  if (status < 400)
    return new KaggleError('invalid-response', `Storage answered with another redirect (${status}), which is not followed.`, {
      status,
      path,
    });
  const retryAfterMs = readRetryAfterMs(response.headers.get('retry-after'), settings.now());
  return refusalToError({ status, body: '', path, slug, retryAfterMs, now: settings.now() });
}

function describeObject(response: Response, offset: number): PartNote {
  const md5 = /md5=([A-Za-z0-9+/=]+)/.exec(response.headers.get('x-goog-hash') ?? '')?.[1] ?? null;
  const total = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  const length = response.headers.get('content-length');
  const totalBytes = total !== undefined ? Number(total) : length !== null && offset === 0 ? Number(length) : null;
  return { md5, lastModified: response.headers.get('last-modified'), totalBytes };
}

function sameObject(known: PartNote, found: PartNote): boolean {
  if (known.md5 !== null && found.md5 !== null) return known.md5 === found.md5;
  return known.lastModified === found.lastModified && (found.totalBytes === null || known.totalBytes === found.totalBytes);
}

async function readNote(part: string): Promise<PartNote | null> {
  try {
    return PartNote.parse(JSON.parse(await readFile(`${part}.json`, 'utf8')));
  } catch {
    return null;
  }
}

interface BodyTarget {
  response: Response;
  url: string;
  part: string;
  offset: number;
  totalBytes: number | null;
}

async function appendBody(settings: TransportSettings, order: DownloadOrder, target: BodyTarget): Promise<void> {
  const { response, url, part, offset, totalBytes } = target;
  if (totalBytes !== null && totalBytes > order.maxBytes) throw tooLarge(order.maxBytes);
  const file = await open(part, offset === 0 ? 'w' : 'a', 0o644);
  let bytes = offset;
  try {
    for await (const chunk of readWithIdleLimit(response, settings.idleTimeoutMs, order.call.signal)) {
      bytes += chunk.byteLength;
      if (bytes > order.maxBytes) throw tooLarge(order.maxBytes);
      await file.writeFile(chunk);
      order.onProgress?.({ bytes, totalBytes });
    }
  } catch (error) {
    order.call.signal?.throwIfAborted();
    if (error instanceof KaggleError || (error instanceof Error && 'syscall' in error && 'path' in error)) throw error;
    throw networkError(url, error);
  } finally {
    await file.close();
  }
  if (totalBytes !== null && bytes !== totalBytes) throw networkError(url, new Error(`it ended after ${bytes} of ${totalBytes} bytes`));
}

function tooLarge(maxBytes: number): KaggleError {
  return new KaggleError('refused', `The file is larger than the ${maxBytes} bytes allowed here. Raise the limit to download it.`);
}

/** Chunks of a body; silence longer than the limit, or the caller's abort, ends it with an error. */
async function* readWithIdleLimit(response: Response, idleMs: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  let isDone = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const chunk = await withIdleLimit(reader.read(), idleMs);
      isDone = chunk.done;
      if (chunk.done) return;
      yield chunk.value;
    }
  } finally {
    if (!isDone) await reader.cancel().catch(() => undefined);
  }
}

async function withIdleLimit<T>(promise: Promise<T>, idleMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no byte for ${idleMs} ms`)), idleMs);
  });
  return Promise.race([promise, silence]).finally(() => clearTimeout(timer));
}

async function verifyMd5(part: string, expected: string | null): Promise<string | null> {
  if (expected === null) return null;
  const hash = createHash('md5');
  for await (const chunk of createReadStream(part)) hash.update(chunk);
  const found = hash.digest('base64');
  if (found === expected) return found;
  await rm(part, { force: true });
  throw new KaggleError('unavailable', "The downloaded file does not have the md5 that Kaggle's storage named. It is fetched again.");
}
