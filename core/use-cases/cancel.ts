import type { Job } from '../job.ts';
import type { JobStore } from '../ports.ts';
import { EVENT_TYPES, eventSource } from '../events.ts';
import { LIVE_STATES, isFinal } from '../job.ts';
import { callerError, jobNotFound, unavailable } from '../errors.ts';

const CONFLICT_TRIES = 10;

/**
 * Asks for a cancel. A pending job without an open attempt ends at once, in one transaction; otherwise the flag is set, the launcher is
 * woken to delete the Job, and the collector records the end. Repeating it is harmless. Throws AgentError 404, or 400 when already final.
 */
export async function cancelJob(
  deps: { readonly store: JobStore },
  params: { readonly tenant: string | null; readonly jobId: string },
): Promise<{ job: Job; ended: boolean }> {
  for (let tries = 0; tries < CONFLICT_TRIES; tries += 1) {
    const job = await deps.store.getJob(params.jobId);
    if (job === null || (params.tenant !== null && job.tenant !== params.tenant)) throw jobNotFound(params.jobId);
    if (isFinal(job.state)) throw callerError('job-final', 400, `Job cannot be cancelled in status: ${job.state}`);
    const ended = job.state === 'pending' ? await endPending(deps.store, job) : null;
    if (ended !== null) return { job: ended, ended: true };
    if (job.cancelRequestedAt !== null) return { job, ended: false };
    const flagged = await setFlag(deps.store, job);
    if (flagged !== null) return { job: flagged, ended: false };
  }
  throw unavailable('The job changes too fast just now. Send the same request again.');
}

function endPending(store: JobStore, job: Job): Promise<Job | null> {
  return store.changeJob({
    job,
    from: ['pending'],
    onlyWithoutSlot: true,
    attemptMayHaveEnded: true,
    change: {
      state: 'cancelled',
      reason: 'cancelled before it started',
      error: { code: 'cancelled', message: 'Job cancelled by user', turn: 'nobody' },
      stamp: ['cancelRequestedAt', 'completedAt'],
    },
    ...(job.attempt > 0 && { attempt: { state: 'ended', outcome: 'cancelled', reason: 'cancelled', stamp: ['endedAt'] } as const }),
    history: [{ type: 'finished', message: 'cancelled before it started' }],
    outbox: [{ type: EVENT_TYPES.cancelled, source: eventSource('submit') }],
  });
}

function setFlag(store: JobStore, job: Job): Promise<Job | null> {
  return store.changeJob({
    job,
    from: LIVE_STATES,
    change: { reason: 'cancelling: waiting for the attempt to stop', stamp: ['cancelRequestedAt'] },
    history: [{ type: 'cancelling', message: 'cancel requested' }],
    outbox: [{ type: EVENT_TYPES.cancelling, source: eventSource('submit') }],
  });
}
