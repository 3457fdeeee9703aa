import { CRC32C } from '@google-cloud/storage';

const HEADERS_TIMEOUT_MS = 30_000;

/** Where objects are downloaded from, and how a request gets its authorization header (none for an emulator). */
export interface MediaSource {
  readonly endpoint: string;
  readonly bucket: string;
  readonly authorize: () => Promise<Headers>;
}

/** A refused download; `code` is the HTTP status. */
export class MediaError extends Error {
  override name = 'MediaError' as const;
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * An object's bytes from `start`; a whole download is checked against the CRC32C that the server names. Not the client library's own
 * stream, because stopping that one early destroys the sockets of every other request. Throws MediaError, or what `fetch` throws.
 */
export async function* downloadMedia(source: MediaSource, name: string, start: number): AsyncGenerator<Uint8Array> {
  const headers = await source.authorize();
  if (start > 0) headers.set('range', `bytes=${start}-`);
  const url = `${source.endpoint}/storage/v1/b/${encodeURIComponent(source.bucket)}/o/${encodeURIComponent(name)}?alt=media`;
  const response = await fetchHeaders(url, headers);
  if (!response.ok || response.body === null) {
    const detail = await response.text();
    throw new MediaError(response.status, `download answered ${response.status} ${detail.slice(0, 200)}`);
  }
  const expected = start === 0 ? (/crc32c=([A-Za-z0-9+/=]+)/.exec(response.headers.get('x-goog-hash') ?? '')?.[1] ?? null) : null;
  const crc = new CRC32C();
  for await (const chunk of response.body) {
    if (expected !== null) crc.update(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    yield chunk;
  }
  if (expected !== null && !crc.validate(expected)) throw new MediaError(502, `the bytes of ${name} do not match their checksum`);
}

/** The deadline covers the time to the response's first line only: a large body may take long. */
async function fetchHeaders(url: string, headers: Headers): Promise<Response> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new MediaError(504, `no answer within ${HEADERS_TIMEOUT_MS} ms`)), HEADERS_TIMEOUT_MS);
  try {
    return await fetch(url, { headers, signal: controller.signal, redirect: 'error' });
  } finally {
    clearTimeout(timer);
  }
}
