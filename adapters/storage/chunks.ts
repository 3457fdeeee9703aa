import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { callerError } from '#core/errors.ts';

const CHUNK_BYTES = 256 * 1024;

/** Bytes of an open file from `start`, in chunks that the caller owns. */
export async function* readChunks(handle: FileHandle, start: number): AsyncGenerator<Uint8Array> {
  for (let position = start; ;) {
    const { bytesRead, buffer } = await handle.read({ buffer: Buffer.allocUnsafe(CHUNK_BYTES), position });
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** All bytes of a stream; throws AgentError `body-too-large` as soon as there are more than `maxBytes`. */
export async function collectBytes(stream: AsyncIterable<Uint8Array>, key: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw callerError('body-too-large', 413, `object ${key} has more than the ${maxBytes} bytes allowed here`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Hex sha256 of a stream's bytes. */
export async function hashChunks(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/** Ends the upload before its last byte when the file is no longer the one that was hashed. */
export async function* rejectOtherBytes(chunks: AsyncIterable<Uint8Array>, sha256: string, path: string): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== sha256)
    throw callerError('invalid-query', 400, `${path} changed while it was being stored: store it when it is finished`);
}
