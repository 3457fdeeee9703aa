import type { Job } from '#core/job.ts';
import type { LogsView } from '#core/responses.ts';
import type { RequestContext } from '../http/app.ts';
import type { ResultAppDependencies } from './app.ts';
import { LogsQuery } from '../http/queries.ts';
import { readQuery } from '../http/query.ts';
import { callerError } from '#core/errors.ts';
import { findJob } from '../http/job-access.ts';
import { followLogs } from './follow-logs.ts';
import { readTail } from './log-tail.ts';
import { sendJson } from '../http/app.ts';

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
