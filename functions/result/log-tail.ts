import type { ArtifactStore, StoredObject } from '#core/ports.ts';
import type { Job } from '#core/job.ts';
import { keys } from '#core/names.ts';
import { listAll } from './best.ts';

const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
const MAX_TAIL_BYTES = 8 * 1024 * 1024;

export interface LogTail {
  readonly text: string;
  /** True when earlier lines exist. */
  readonly truncated: boolean;
  /** Key of the last chunk read, where following goes on. */
  readonly lastKey: string | null;
}

/** The last lines of an attempt's log, read from its end backwards and at most 8 MiB; null when nothing was written yet. */
export async function readTail(
  artifacts: ArtifactStore,
  params: { readonly job: Job; readonly attempt: number; readonly tailLines: number },
): Promise<LogTail | null> {
  if (params.attempt === 0) return null;
  const chunks = await listAll(artifacts, keys.logPrefix(params.job.id, params.attempt));
  if (chunks.length === 0) return null;
  const parts: Buffer[] = [];
  let lines = 0;
  let bytes = 0;
  let index = chunks.length - 1;
  for (; index >= 0 && lines <= params.tailLines && bytes < MAX_TAIL_BYTES; index -= 1) {
    const part = await readChunk(artifacts, chunks[index]);
    lines += countNewlines(part);
    bytes += part.length;
    parts.unshift(part);
  }
  const text = decodeLog(Buffer.concat(parts));
  const tail = takeLastLines(text, params.tailLines);
  return { text: tail, truncated: index >= 0 || tail.length < text.length, lastKey: chunks.at(-1)?.key ?? null };
}

/** The bytes of one chunk; a missing or oversized one is named in its place instead of failing the whole log. */
export async function readChunk(artifacts: ArtifactStore, chunk: StoredObject | undefined): Promise<Buffer> {
  if (chunk === undefined) return Buffer.alloc(0);
  if (chunk.bytes > MAX_CHUNK_BYTES) return Buffer.from(`[a log chunk of ${chunk.bytes} bytes is too large to show]\n`);
  return Buffer.from((await artifacts.readObject(chunk.key, MAX_CHUNK_BYTES)) ?? '[a log chunk is missing]\n');
}

/** Log bytes as text without control characters (tab and newline stay): a log can't drive anybody's terminal. */
export function decodeLog(bytes: Buffer): string {
  return new TextDecoder().decode(bytes).replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

function takeLastLines(text: string, count: number): string {
  if (count === 0) return '';
  const end = text.endsWith('\n') ? text.length - 1 : text.length;
  let start = end;
  for (let found = 0; found < count; found += 1) {
    start = start === 0 ? -1 : text.lastIndexOf('\n', start - 1);
    if (start === -1) return text;
  }
  return text.slice(start + 1);
}
