import { AgentError, unavailable } from '#core/errors.ts';

/** How often a read that breaks off is tried in all. */
export const READ_TRIES = 4;

/** HTTP status of an error of the storage client, or null. A resumable upload rejects with a plain object, not an Error. */
export function httpCode(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  const code = Number(error.code);
  return Number.isInteger(code) && code >= 100 && code <= 599 ? code : null;
}

/** True when a read broke off for a reason of the network or of a busy server: worth another try at once. */
export function isBrokenRead(error: unknown): boolean {
  const status = httpCode(error);
  if (status !== null) return status === 408 || status === 429 || status >= 500;
  return ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET'].includes(systemReason(error));
}

/**
 * Turns an error of the storage client into AgentError `unavailable`: the operator's turn for missing rights or a missing bucket, a
 * retry for the rest. Our own errors and programming errors come back unchanged.
 */
export function explainGcsError(error: unknown, bucket: string, doing: string): unknown {
  if (error instanceof AgentError) return error;
  const status = httpCode(error);
  if (status === 401 || status === 403) {
    return operatorError(
      `storage refused (${status}) while ${doing} in bucket ${bucket}: give this service account the bucket's object role`,
      error,
    );
  }
  if (status === 404) return operatorError(`bucket ${bucket} was not found while ${doing}: create it, or correct the storage URL`, error);
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) {
    // A failed connection is a TypeError ("fetch failed") in some transports; it then has a cause.
    if (error.cause === undefined) return error;
  }
  const what = status ?? systemReason(error);
  return unavailable(`storage did not answer (${what}) while ${doing} in bucket ${bucket}: it will be tried again`, error);
}

/** Rejects after `timeoutMs`; the work itself may still end later, which is harmless as every write is create-only. */
export async function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Repeats a read that broke off, at most READ_TRIES times in all. */
export async function retryBrokenReads<T>(read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await read();
    } catch (error) {
      if (tries >= READ_TRIES || !isBrokenRead(error)) throw error;
    }
  }
}

/** Null instead of a 404. */
export async function missingAsNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (httpCode(error) === 404) return null;
    throw error;
  }
}

function operatorError(message: string, cause: unknown): AgentError {
  return new AgentError({ code: 'unavailable', status: 503, message, turn: 'operator', cause });
}

function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error.cause instanceof Error ? systemReason(error.cause) : error.message.slice(0, 120);
}
