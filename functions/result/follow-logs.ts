import type { Job } from '#core/job.ts';
import type { RequestContext } from '../http/app.ts';
import type { ResultAppDependencies } from './app.ts';
import { decodeLog, readChunk, readTail } from './log-tail.ts';
import { isFinal } from '#core/job.ts';
import { keys } from '#core/names.ts';
import { waitMs } from '../http/lifecycle.ts';

const PAGE = 100;

/**
 * `?follow=1`: the tail, then new chunks as they are stored, over all later attempts (unless one was named), until the job is final, the
 * client leaves, the process drains, or the platform's timeout is near.
 */
export async function followLogs(
  deps: ResultAppDependencies,
  context: RequestContext,
  params: { readonly job: Job; readonly attempt: number | null; readonly tailLines: number },
): Promise<void> {
  const { req, res, tenant } = context;
  res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-accel-buffering': 'no' });
  if (req.method === 'HEAD') return void res.end();
  res.flushHeaders();
  const stop = new AbortController();
  res.once('close', () => stop.abort());
  const signal = AbortSignal.any([stop.signal, deps.http.lifecycle.draining, AbortSignal.timeout(deps.maxStreamMs)]);
  const { artifacts } = deps;
  let { job } = params;
  let attempt = params.attempt ?? job.attempt;
  const tail = await readTail(artifacts, { job, attempt, tailLines: params.tailLines });
  res.write(tail?.text ?? '');
  let after = tail?.lastKey ?? null;
  while (!signal.aborted) {
    // The job is read before its chunks: what was stored before it became final is then surely seen.
    job = (await deps.store.getJob(job.id)) ?? job;
    if (job.tenant !== tenant) break;
    if (attempt > 0) after = await sendChunks(deps, res, { prefix: keys.logPrefix(job.id, attempt), after });
    if (params.attempt === null && job.attempt > attempt) {
      attempt = job.attempt;
      after = null;
      if (attempt > 1) res.write(`--- attempt ${attempt} ---\n`);
      continue;
    }
    if (isFinal(job.state) || job.attempt > attempt) break;
    await waitMs(deps.followIntervalMs, signal);
  }
  res.end();
}

async function sendChunks(
  { artifacts }: ResultAppDependencies,
  res: RequestContext['res'],
  from: { readonly prefix: string; readonly after: string | null },
): Promise<string | null> {
  let { after } = from;
  for (;;) {
    const page = await artifacts.listObjects({ prefix: from.prefix, after, limit: PAGE });
    for (const chunk of page) {
      const text = decodeLog(await readChunk(artifacts, chunk));
      if (!res.write(text) && !res.destroyed) await Promise.race([drained(res), waitMs(10_000)]);
      after = chunk.key;
    }
    if (page.length < PAGE || res.destroyed) return after;
  }
}

function drained(res: RequestContext['res']): Promise<void> {
  return new Promise((resolve) => res.once('drain', resolve));
}
