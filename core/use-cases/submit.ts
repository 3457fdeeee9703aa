import type { JobOptions } from '../job.ts';
import type { InsertOutcome, JobStore } from '../ports.ts';
import type { RequestLimits } from '../requests.ts';
import { checkBody, refuseBody } from '../check-body.ts';
import { AgentError, callerError, unavailable } from '../errors.ts';
import { EVENT_TYPES, eventSource } from '../events.ts';
import { OUTBOX_LEASE_MS } from './relay.ts';
import { RunRequest, resolveOptions } from '../requests.ts';
import { buildJobName } from '../names.ts';
import { canonicalJson } from '../canonical.ts';
import { parseCompetitionUrl } from '../kaggle.ts';

export interface SubmitDependencies {
  readonly store: JobStore;
  /** A new UUIDv7. */
  readonly newId: () => string;
  /** SHA-256 in hex. */
  readonly hash: (text: string) => string;
  readonly limits: RequestLimits;
  /** How long the new job's event is left to the caller before a relay may send it; default 30 s. */
  readonly outboxLeaseMs?: number;
}

export interface SubmitParams {
  readonly tenant: string;
  readonly body: unknown;
  readonly idempotencyKey: string | null;
  /** Source and id of the event that asked, when it came as a CloudEvent. */
  readonly request: { readonly source: string; readonly id: string } | null;
  /** W3C trace context of the caller; another text counts as none, and the job begins a trace of its own. */
  readonly traceparent: string | null;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const NAME_TRIES = 5;

/** What became of a request; `event` is to be sent now. */
export type SubmitOutcome = Exclude<InsertOutcome, { kind: 'mismatch' | 'name-taken' }>;

/**
 * Accepts a request: validates it, then inserts the job and its outbox row in one transaction. Throws AgentError: 400 for a URL that is no
 * competition's, 422 for a wrong body or a reused key with another body, 503 when the ledger is down.
 */
export async function submitJob(deps: SubmitDependencies, params: SubmitParams): Promise<SubmitOutcome> {
  const { request, slug, options } = readRequest(params.body, deps.limits);
  const bodyHash = deps.hash(canonicalJson(request));
  for (let tries = 0; tries < NAME_TRIES; tries += 1) {
    const id = deps.newId();
    const outcome = await deps.store.insertJob({
      id,
      tenant: params.tenant,
      slug,
      kaggleUrl: request.kaggle_url.trim(),
      jobName: buildJobName(slug, id, 1),
      options,
      reason: 'waiting for a free slot',
      traceparent: chooseTraceparent(deps, id, params.traceparent),
      idempotencyKey: params.idempotencyKey === null ? null : { key: params.idempotencyKey, bodyHash },
      request: params.request === null ? null : { ...params.request, bodyHash },
      outbox: { type: EVENT_TYPES.submitted, source: eventSource('submit') },
      outboxLeaseMs: deps.outboxLeaseMs ?? OUTBOX_LEASE_MS,
    });
    if (outcome.kind !== 'name-taken') return acceptOutcome(outcome, params);
  }
  throw unavailable('No free job name was found. Send the same request again.');
}

/** The caller's trace, or a new one, sampled: ids from the hash of a job id are as good as random. */
function chooseTraceparent({ hash }: Pick<SubmitDependencies, 'hash'>, jobId: string, given: string | null): string {
  if (given !== null && TRACEPARENT.test(given)) return given;
  const random = hash(jobId);
  return `00-${random.slice(0, 32)}-${random.slice(32, 48)}-01`;
}

function acceptOutcome(outcome: Exclude<InsertOutcome, { kind: 'name-taken' }>, params: SubmitParams): SubmitOutcome {
  if (outcome.kind !== 'mismatch') return outcome;
  const what = params.idempotencyKey === null ? 'event source and id' : 'Idempotency-Key';
  throw callerError(
    'idempotency-mismatch',
    422,
    `This ${what} was used before for another request (job ${outcome.job.id}). Use a new one for a new request, or repeat the first body.`,
  );
}

/** Validates a body: the parsed request, the competition's slug and the frozen options. Throws AgentError. */
export function readRequest(body: unknown, limits: RequestLimits): { request: RunRequest; slug: string; options: JobOptions } {
  const request = checkBody(RunRequest, body);
  const competition = parseCompetitionUrl(request.kaggle_url);
  if (!competition.ok) throw callerError('invalid-url', 400, competition.message);
  const resolved = resolveOptions(request, limits);
  if ('violations' in resolved) throw refuseBody('The request is out of bounds', resolved.violations);
  return { request, slug: competition.slug, options: resolved.options };
}

/** True for the 422 of a reused key: event doors answer 204 for it, since the first request wins. */
export function isMismatch(error: unknown): boolean {
  return error instanceof AgentError && error.code === 'idempotency-mismatch';
}
