/** Whose turn it is after an error: the caller's, ours (again, later), or the operator's of the installation. */
export type Turn = 'caller' | 'retry' | 'operator' | 'nobody';

/** Machine-readable codes of every error that leaves the process; each has a page in `docs/errors.md`. */
export const ERROR_CODES = [
  'invalid-body',
  'invalid-url',
  'invalid-query',
  'invalid-event',
  'body-too-large',
  'unsupported-media-type',
  'unauthorized',
  'forbidden',
  'not-found',
  'method-not-allowed',
  'job-not-found',
  'job-final',
  'job-unfinished',
  'too-many-instructions',
  'file-not-found',
  'no-valid-file',
  'idempotency-mismatch',
  'unavailable',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** An error meant for whoever called us. `message` says what was wrong, where, and what to do next; it never holds a secret. */
export class AgentError extends Error {
  override name = 'AgentError' as const;
  readonly code: ErrorCode;
  readonly status: number;
  readonly turn: Turn;
  readonly retryAfterMs: number | null;
  readonly details: readonly ErrorDetail[];

  constructor(params: {
    code: ErrorCode;
    status: number;
    message: string;
    turn: Turn;
    retryAfterMs?: number | null;
    details?: readonly ErrorDetail[];
    cause?: unknown;
  }) {
    super(params.message, { cause: params.cause });
    this.code = params.code;
    this.status = params.status;
    this.turn = params.turn;
    this.retryAfterMs = params.retryAfterMs ?? null;
    this.details = params.details ?? [];
  }
}

/** One wrong place in a request: a JSON-pointer-like path and what is wrong there. */
export interface ErrorDetail {
  readonly pointer: string;
  readonly message: string;
}

/** The request can never work as it is: 4xx. */
export function callerError(code: ErrorCode, status: number, message: string, details: readonly ErrorDetail[] = []): AgentError {
  return new AgentError({ code, status, message, turn: 'caller', details });
}

/** A part that we depend on is down or busy: 503, the same request may be sent again. */
export function unavailable(message: string, cause?: unknown, retryAfterMs = 2000): AgentError {
  return new AgentError({ code: 'unavailable', status: 503, message, turn: 'retry', retryAfterMs, cause });
}

/** The 404 of an unknown job, in the original system's words. */
export function jobNotFound(id: string): AgentError {
  return callerError('job-not-found', 404, `Job ${id.slice(0, 80)} not found`);
}
