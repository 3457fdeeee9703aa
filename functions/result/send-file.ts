import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ArtifactStore } from '#core/ports.ts';
import type { RequestContext } from '../http/app.ts';
import type { ResultFile } from '#core/job.ts';
import { AgentError, callerError } from '#core/errors.ts';

/** A recorded file, and what its answer must say about it. */
export interface FileToSend {
  readonly file: ResultFile;
  readonly labels: { readonly quality: string; readonly partial: boolean; readonly attempt: number; readonly score: number | null } | null;
}

/** Content types by the name's ending, never the agent's word: nothing but the report is shown by a browser. */
const TYPES: Readonly<Record<string, string>> = {
  csv: 'text/csv; charset=utf-8',
  html: 'text/html; charset=utf-8',
  json: 'application/json; charset=utf-8',
  jsonl: 'application/x-ndjson; charset=utf-8',
  ipynb: 'application/x-ipynb+json; charset=utf-8',
  py: 'text/plain; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  md: 'text/plain; charset=utf-8',
  gz: 'application/gzip',
  zip: 'application/zip',
};

/** The report holds text from a competition: it may show itself and nothing more (no script, no form, no address of ours). */
const REPORT_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'";

/**
 * Streams one file with its hash as ETag. Throws 404 when storage does not have it and 503 when its hash there is another than the recorded one:
 * a wrong file is never sent.
 */
export async function sendFile(
  deps: { readonly artifacts: ArtifactStore },
  { req, res }: RequestContext,
  { file, labels }: FileToSend,
): Promise<void> {
  const opened = await deps.artifacts.openObject(file.key);
  if (opened === null)
    throw callerError('file-not-found', 404, `${file.name === 'submission.csv' ? 'Submission file' : file.name} not found`);
  const stream = Readable.from(opened.stream);
  try {
    if (opened.object.sha256 !== file.sha256 || opened.object.bytes !== file.bytes) throw wrongContent(file);
    const etag = `"${file.sha256}"`;
    res.setHeader('etag', etag);
    res.setHeader('cache-control', 'private, no-cache');
    if (req.headers['if-none-match'] === etag) return void res.writeHead(304).end();
    res.writeHead(200, buildHeaders(file, labels));
    if (req.method === 'HEAD') return void res.end();
    await pipeline(stream, res);
  } catch (error) {
    if (res.destroyed) return; // the client left
    throw error;
  } finally {
    stream.destroy();
  }
}

function buildHeaders(file: ResultFile, labels: FileToSend['labels']): Record<string, string | number> {
  const ending = /\.([a-z0-9]+)$/.exec(file.name.toLowerCase())?.[1] ?? '';
  const isReport = ending === 'html';
  return {
    'content-type': TYPES[ending] ?? 'application/octet-stream',
    'content-length': file.bytes,
    'content-disposition': isReport ? 'inline' : `attachment; filename="${file.name}"`,
    'repr-digest': `sha-256=:${Buffer.from(file.sha256, 'hex').toString('base64')}:`,
    ...(isReport && { 'content-security-policy': REPORT_CSP }),
    ...(labels !== null && {
      'x-kaggle-agent-quality': labels.quality,
      'x-kaggle-agent-partial': String(labels.partial),
      'x-kaggle-agent-attempt': String(labels.attempt),
      ...(labels.score !== null && { 'x-kaggle-agent-score': String(labels.score) }),
    }),
  };
}

function wrongContent(file: ResultFile): AgentError {
  return new AgentError({
    code: 'unavailable',
    status: 503,
    message: `The stored ${file.name} is not the one that was recorded (its hash differs), so it is not sent. Tell the operator.`,
    turn: 'operator',
  });
}
