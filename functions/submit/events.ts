import type { PlainEvent } from '#core/events.ts';
import type { SubmitDependencies } from '#core/use-cases/submit.ts';
import { AgentError, callerError, unavailable } from '#core/errors.ts';
import { CancelRequest, EVENT_TYPES } from '#core/events.ts';
import { cancelJob } from '#core/use-cases/cancel.ts';
import { isMismatch, readRequest, submitJob } from '#core/use-cases/submit.ts';

interface ApplyOptions {
  readonly tenantOf: (event: PlainEvent) => string;
  /** Is given the event of each job that was created. */
  readonly announce: (event: PlainEvent) => void;
}

/**
 * Applies events that ask for a job or a cancel, in their order. All are checked first: a batch with a wrong one is refused as a whole (400)
 * and nothing is applied. Repeating is harmless: (source, id) is the key of a request. Throws AgentError.
 */
export async function applySubmitEvents(deps: SubmitDependencies, events: readonly PlainEvent[], options: ApplyOptions): Promise<void> {
  for (const event of events) checkEvent(deps, event, events.length > 1);
  for (const event of events) {
    if (event.type === EVENT_TYPES.requested) await applyRequested(deps, event, options);
    else await applyCancel(deps, event, options.tenantOf(event));
  }
}

function checkEvent(deps: SubmitDependencies, event: PlainEvent, inBatch: boolean): void {
  try {
    if (event.type === EVENT_TYPES.requested) readRequest(event.data, deps.limits);
    else if (event.type === EVENT_TYPES.cancelRequested) readCancel(event);
    else
      throw callerError(
        'invalid-event',
        422,
        `Events of this type are not taken here; ${EVENT_TYPES.requested} and ${EVENT_TYPES.cancelRequested} are.`,
      );
  } catch (error) {
    if (!inBatch || !(error instanceof AgentError)) throw error;
    throw callerError(
      'invalid-event',
      400,
      `Nothing of this batch was applied, because of event ${event.id.slice(0, 80)}: ${error.message}`,
      error.details,
    );
  }
}

function readCancel(event: PlainEvent): CancelRequest {
  const parsed = CancelRequest.safeParse(event.data);
  if (parsed.success) return parsed.data;
  throw callerError('invalid-event', 422, 'The event data must be {"job_id": …} or {"request_source": …, "request_id": …}.');
}

async function applyRequested(deps: SubmitDependencies, event: PlainEvent, { tenantOf, announce }: ApplyOptions): Promise<void> {
  const traceparent = event.extensions['traceparent'];
  try {
    const outcome = await submitJob(deps, {
      tenant: tenantOf(event),
      body: event.data,
      idempotencyKey: null,
      request: { source: event.source, id: event.id },
      traceparent: typeof traceparent === 'string' ? traceparent : null,
    });
    if (outcome.kind === 'created') announce(outcome.event);
  } catch (error) {
    if (!isMismatch(error)) throw error;
    await deps.store.addCounters({ request_event_mismatches: 1 });
  }
}

/** A job that is not known yet may still be on its way: 503, so that the broker tries again and the dead letters keep it in the end. */
async function applyCancel(deps: SubmitDependencies, event: PlainEvent, tenant: string): Promise<void> {
  const jobId = await findCancelled(deps, readCancel(event), tenant);
  if (jobId === null) throw unavailable('The job to cancel is not known (yet). Send the event again.');
  try {
    await cancelJob(deps, { tenant, jobId });
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (error.code === 'job-final') return;
    if (error.code === 'job-not-found') throw unavailable('The job to cancel is not known (yet). Send the event again.');
    throw error;
  }
}

async function findCancelled(deps: SubmitDependencies, request: CancelRequest, tenant: string): Promise<string | null> {
  if ('job_id' in request) return request.job_id.toLowerCase();
  const job = await deps.store.findJobByRequest(tenant, request.request_source, request.request_id);
  return job?.id ?? null;
}
