import type { Job, JobEvent } from '#core/job.ts';
import type { RequestContext } from '../http/app.ts';
import type { StatusDependencies } from './app.ts';
import { buildHistoryLine } from '../http/job-view.ts';
import { callerError } from '#core/errors.ts';
import { findJob } from '../http/job-access.ts';
import { isFinal } from '#core/job.ts';

const PAGE = 500;
const COMMENT_EVERY_MS = 15_000;
/** A client that does not read is let go before its unread lines fill our memory; it reconnects where it was. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/**
 * `GET /jobs/{id}/events`: the job's history as server-sent events, then live. Ends after the final line, when the process drains, or before
 * the platform would cut it; clients go on with Last-Event-ID. Coming back at the last line of a final job is answered 204: nothing more comes.
 */
export async function streamEvents(deps: StatusDependencies, context: RequestContext, idText: string): Promise<void> {
  const { req, res } = context;
  const job = await findJob(deps.store, context.tenant, idText);
  const afterSeq = Math.min(readLastSeq(req), job.lastSeq);
  if (isFinal(job.state) && afterSeq >= job.lastSeq) return void res.writeHead(204).end();
  res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
  if (req.method === 'HEAD') return void res.end();
  res.write('retry: 1000\n\n');
  const lastSeq = await sendBacklog(deps, res, job, afterSeq);
  if (lastSeq === null || res.writableEnded || res.destroyed) return void res.end();
  followLive(deps, context, { jobId: job.id, lastSeq });
}

/** Only whole numbers are ours; the header wins, the query is for clients that can't set it. */
function readLastSeq(req: RequestContext['req']): number {
  const given = req.headers['last-event-id'] ?? req.query['last_event_id'];
  if (given === undefined || given === '') return 0;
  if (typeof given === 'string' && /^\d{1,9}$/.test(given)) return Number(given);
  throw callerError('invalid-query', 422, 'Last-Event-ID must be the id of an event of this stream, a whole number.');
}

/** Sends what the ledger has; null when that included the final line. */
async function sendBacklog(deps: StatusDependencies, res: RequestContext['res'], job: Job, afterSeq: number): Promise<number | null> {
  let lastSeq = afterSeq;
  for (;;) {
    const lines = await deps.store.readHistory({ jobId: job.id, afterSeq: lastSeq, limit: PAGE });
    for (const line of lines) {
      res.write(formatEvent(line));
      lastSeq = line.seq;
      if (line.type === 'finished') return null;
    }
    if (lines.length < PAGE || res.destroyed) return lastSeq;
    if (res.writableNeedDrain) await waitForDrain(res);
  }
}

function waitForDrain(res: RequestContext['res']): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done);
      res.off('close', done);
      resolve();
    };
    res.on('drain', done);
    res.on('close', done);
  });
}

function followLive(deps: StatusDependencies, { res }: RequestContext, from: { readonly jobId: string; readonly lastSeq: number }): void {
  const { draining } = deps.http.lifecycle;
  const comment = setInterval(() => res.write(': still here\n\n'), COMMENT_EVERY_MS);
  const limit = setTimeout(() => res.end(), deps.maxStreamMs);
  const end = () => res.end();
  const unsubscribe = deps.feed.subscribe(from.jobId, from.lastSeq, (lines) => {
    for (const line of lines) {
      res.write(formatEvent(line));
      if (line.type === 'finished') return void res.end();
    }
    if (res.writableLength > MAX_UNREAD_BYTES) res.destroy();
  });
  draining.addEventListener('abort', end, { once: true });
  res.once('close', () => {
    clearInterval(comment);
    clearTimeout(limit);
    unsubscribe();
    draining.removeEventListener('abort', end);
  });
  if (draining.aborted || res.destroyed) res.end();
}

function formatEvent(event: JobEvent): string {
  return `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(buildHistoryLine(event))}\n\n`;
}
