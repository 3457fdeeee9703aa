import { ApiException } from '@kubernetes/client-node';
import { z } from 'zod';
import { AgentError, unavailable } from '#core/errors.ts';
import { RunnerError } from '#core/ports.ts';

/** A refusal of the API server. `status` null: there was no answer. */
export interface ApiFailure {
  readonly status: number | null;
  readonly reason: string;
  readonly message: string;
  readonly retryAfterMs: number | null;
  /** From a 410 while paging: goes on from the next key. */
  readonly continueToken: string | null;
}

const Status = z.object({
  message: z.string().default(''),
  reason: z.string().default(''),
  metadata: z.object({ continue: z.string().optional() }).default({}),
});
const MESSAGE_LENGTH = 500;
const MAX_RETRY_AFTER_S = 3600;

/** What the API server, or the network before it, said. */
export function readFailure(error: unknown): ApiFailure {
  if (error instanceof ApiException) {
    const status = readStatus(error.body);
    return {
      status: error.code,
      reason: status.reason,
      message: (status.message || `HTTP ${error.code}`).replaceAll(/\s+/g, ' ').slice(0, MESSAGE_LENGTH),
      retryAfterMs: readRetryAfter(error.headers),
      continueToken: status.metadata.continue || null,
    };
  }
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  const message = code ?? (error instanceof Error ? error.message.slice(0, MESSAGE_LENGTH) : 'unknown error');
  return { status: null, reason: '', message, retryAfterMs: null, continueToken: null };
}

/**
 * Whether an order was not taken now or never will be (protocol: refused 400 and 422; back in line at quota, 429, 5xx and silence). A right that is
 * missing is refused too: no waiting brings it, the operator must.
 */
export function toRunnerError(error: unknown, namespace: string): RunnerError {
  if (error instanceof RunnerError) return error;
  const { status, message, retryAfterMs } = readFailure(error);
  const make = (kind: 'refused' | 'busy', text: string) => new RunnerError(kind, text, retryAfterMs, error);
  if (status === null) return make('busy', `the Kubernetes API can't be reached (${message})`);
  if (status === 403 && /exceeded quota/i.test(message)) return make('busy', `the quota of namespace ${namespace} is used up: ${message}`);
  if (status === 403 && /being terminated/i.test(message)) return make('busy', `the namespace ${namespace} is being deleted`);
  if (status === 403) return make('refused', `${message}. It is the operator's turn: the launcher's account needs the rights of its Role`);
  if (status === 404) return make('busy', `the namespace ${namespace} is not there`);
  if (status === 401) return make('busy', 'the Kubernetes API did not accept the token of this account');
  if (status === 408 || status === 409 || status === 429 || status >= 500)
    return make('busy', `the Kubernetes API answered ${status}: ${message}`);
  return make('refused', message);
}

/** For every other call: AgentError `unavailable`, to be tried again, or the operator's turn when a right is missing. */
export function toAgentError(error: unknown, what: string): AgentError {
  if (error instanceof AgentError) return error;
  const { status, message, retryAfterMs } = readFailure(error);
  if (status === 403 || status === 401) {
    return new AgentError({
      code: 'unavailable',
      status: 503,
      turn: 'operator',
      retryAfterMs: 10_000,
      message: `The Kubernetes API refused ${what} (${status}: ${message}). Check the Role and RoleBinding of this function's account.`,
      cause: error,
    });
  }
  const answer = status === null ? `can't be reached (${message})` : `answered ${status}: ${message}`;
  return unavailable(`The Kubernetes API ${answer} when asked for ${what}. It is asked again.`, error, retryAfterMs ?? undefined);
}

function readStatus(body: unknown): z.infer<typeof Status> {
  try {
    return Status.parse(typeof body === 'string' ? JSON.parse(body) : body);
  } catch {
    // A proxy's own page, or nothing.
    return { message: typeof body === 'string' ? body.slice(0, MESSAGE_LENGTH) : '', reason: '', metadata: {} };
  }
}

function readRetryAfter(headers: Readonly<Record<string, string>>): number | null {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, MAX_RETRY_AFTER_S) * 1000 : null;
}
