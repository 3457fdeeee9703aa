import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AgentError, unavailable } from '#core/errors.ts';
import { computeBackoffDelayMs } from '#core/retry.ts';
import type { BackoffPolicy } from '#core/retry.ts';

const RETRY_BACKOFF: BackoffPolicy = { initialMs: 10, factor: 3, maxMs: 200 };
const MAX_RETRIES = 3;

/** SQLSTATE of the migrations' guard: an attempt ended while its job was being changed. */
export const STALE_ATTEMPT = 'KA002';

const SERIALIZATION_STATES = new Set(['40001', '40P01']);

/** Prefixes of SQLSTATEs that mean "not now" or "not this server": connection, resources, shutdown, read-only after a failover. */
const UNAVAILABLE_STATES = ['08', '53', '57P', '58', '25006', '57014', '55P03', '25P03'];
/** Prefixes that only the operator can mend: login and database name. */
const OPERATOR_STATES = ['28', '3D000'];

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
]);

/** pg reports these without a code. */
const NETWORK_MESSAGES = [
  'Connection terminated',
  'timeout expired',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed',
];

/** The server's own error with this SQLSTATE (and this constraint, when named). */
export function isDatabaseError(error: unknown, code: string, constraint?: string): boolean {
  return error instanceof pg.DatabaseError && error.code === code && (constraint === undefined || error.constraint === constraint);
}

/** True when the connection can't be used again after this error. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.code !== undefined && /^(08|57P)/.test(error.code);
  return isNetworkError(error);
}

function isNetworkError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isNetworkError);
  if (!(error instanceof Error)) return false;
  if ('code' in error && typeof error.code === 'string' && NETWORK_CODES.has(error.code)) return true;
  return NETWORK_MESSAGES.some((message) => error.message.includes(message));
}

/** The pool's own words when all its connections stay in use. */
const POOL_EXHAUSTED = 'timeout exceeded when trying to connect';

/** What a caller is told of a failure: AgentError `unavailable` when it may be tried again later, else the error as it is (a bug of ours). */
export function mapError(error: unknown): unknown {
  if (error instanceof AgentError) return error;
  if (error instanceof Error && error.message.includes(POOL_EXHAUSTED)) {
    return unavailable(
      'The ledger (Postgres) had no connection free in time: too many requests at once. Send the same request again.',
      error,
    );
  }
  if (isNetworkError(error)) {
    return unavailable(
      'The ledger (Postgres) can not be reached. Send the same request again; if it stays so, check that the database runs.',
      error,
    );
  }
  if (!(error instanceof pg.DatabaseError) || error.code === undefined) return error;
  const { code } = error;
  if (SERIALIZATION_STATES.has(code))
    return unavailable('The ledger (Postgres) is busy with changes of the same rows. Send the same request again.', error);
  if (UNAVAILABLE_STATES.some((state) => code.startsWith(state))) {
    return unavailable(`The ledger (Postgres) can not answer now (${describeState(code)}). Send the same request again.`, error);
  }
  if (OPERATOR_STATES.some((state) => code.startsWith(state))) {
    return new AgentError({
      code: 'unavailable',
      status: 503,
      turn: 'operator',
      retryAfterMs: 10_000,
      message: `The ledger (Postgres) refused the login or has no such database (SQLSTATE ${code}). Check KAGGLE_AGENT_DATABASE_URL.`,
      cause: error,
    });
  }
  return error;
}

function describeState(code: string): string {
  if (code === '53300') return 'too many connections';
  if (code === '57014') return 'the statement took too long';
  if (code === '53100') return 'its disk is full';
  if (code.startsWith('57P')) return 'it is stopping or starting';
  if (code === '25006') return 'it is read-only';
  return `SQLSTATE ${code}`;
}

/**
 * Runs a whole transaction again when the server asks for it (serialization failure, deadlock), at most 3 times with jitter.
 * Throws what `mapError` makes of any other failure.
 */
export async function withRetries<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof pg.DatabaseError && error.code !== undefined && SERIALIZATION_STATES.has(error.code);
      if (!again || tries > MAX_RETRIES) throw mapError(error);
      await delay(computeBackoffDelayMs(RETRY_BACKOFF, tries, Math.random));
    }
  }
}
