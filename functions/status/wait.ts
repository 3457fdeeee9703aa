import type { Response } from 'express';
import type { Job } from '#core/job.ts';
import type { StatusDependencies } from './app.ts';
import { isFinal } from '#core/job.ts';
import { waitMs } from '../http/lifecycle.ts';

/** Long-poll: the job as soon as `isNews` holds, or as it is when the time is over, the client leaves or the process drains. */
export async function waitForChange(
  deps: StatusDependencies,
  params: { readonly job: Job; readonly waitMs: number; readonly isNews: (job: Job) => boolean; readonly res: Response },
): Promise<Job> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const { draining } = deps.http.lifecycle;
  draining.addEventListener('abort', abort, { once: true });
  params.res.once('close', abort);
  const stopAt = performance.now() + params.waitMs;
  let { job } = params;
  try {
    while (!params.isNews(job) && !isFinal(job.state) && !stop.signal.aborted && !draining.aborted) {
      const leftMs = stopAt - performance.now();
      if (leftMs <= 0) break;
      await waitForLine(deps, job, leftMs, stop.signal);
      job = (await deps.store.getJob(job.id)) ?? job;
    }
    return job;
  } finally {
    draining.removeEventListener('abort', abort);
    params.res.off('close', abort);
  }
}

async function waitForLine(deps: StatusDependencies, job: Job, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const woken = new AbortController();
  const unsubscribe = deps.feed.subscribe(job.id, job.lastSeq, () => woken.abort());
  try {
    await waitMs(timeoutMs, AbortSignal.any([signal, woken.signal]));
  } finally {
    unsubscribe();
  }
}
