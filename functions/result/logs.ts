import type { ArtifactStore, StoredObject } from '#core/ports.ts';
import type { Job } from '#core/job.ts';
import type { LogsView } from '#core/responses.ts';
import type { RequestContext } from '../http/app.ts';
import type { ResultAppDependencies } from './app.ts';
import { LogsQuery } from '../http/queries.ts';
import { readQuery } from '../http/query.ts';
import { callerError } from '#core/errors.ts';
import { findJob } from '../http/job-access.ts';
import { followLogs } from './follow-logs.ts';
import { keys } from '#core/names.ts';
import { listAll } from './best.ts';
import { sendJson } from '../http/app.ts';

const MAX_CHUNK_BYTES = 4 * 1024 * 1024;
const MAX_TAIL_BYTES = 8 * 1024 * 1024;

/** `GET /logs/{id}`: from storage, the same before and after the pod is gone. JSON as in the original, or `?follow=1`. */
export async function showLogs(deps: ResultAppDependencies, context: RequestContext, idText: string): Promise<void> {
  const query = readQuery(LogsQuery, context.req);
  const job = await findJob(deps.store, context.tenant, idText);
  if (query.attempt !== undefined && query.attempt > job.attempt) {
    throw callerError('not-found', 404, `Job ${job.id} has no attempt ${query.attempt}; its last one is ${job.attempt}.`);
  }
  if (query.follow === true) return followLogs(deps, context, { job, attempt: query.attempt ?? null, tailLines: query.tail_lines });
  const attempt = query.attempt ?? job.attempt;
  const tail = await readTail(deps.artifacts, { job, attempt, tailLines: query.tail_lines });
  const body: LogsView = {
    job_id: job.id,
    pod_name: attempt === job.attempt ? job.podName : null,
    logs: tail === null ? sayNothingYet(job) : tail.text,
    attempt,
    truncated: tail?.truncated ?? false,
  };
  sendJson(context.res, 200, body);
}

function sayNothingYet(job: Job): string {
  return job.attempt === 0 ? 'Pod not yet created' : 'Pod not found or not started yet';
}

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
