import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import { KaggleError } from '#core/kaggle-error.ts';
import { readErrorBody, readRetryAfterMs, refusalToError } from './refusals.ts';

/** Proof of who calls. A `KGAT_` key is a token, whatever slot it was put into. */
export type KaggleCredentials = { token: string } | { username: string; key: string };

/** How the client reaches Kaggle; everything that is not a fact about Kaggle can be set by tests. */
export interface TransportSettings {
  baseUrl: string;
  credentials: KaggleCredentials | null;
  fetch: typeof fetch;
  sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  now: () => Date;
  callTimeoutMs: number;
  idleTimeoutMs: number;
  /** How often a read is tried in all. */
  maxTries: number;
  /** Longest wait before a read is tried again; a longer Retry-After is handed to the caller. */
  maxWaitMs: number;
  /** Hosts that signed URLs may point to. */
  storageHosts: readonly string[];
}

export const DEFAULT_TRANSPORT: Omit<TransportSettings, 'credentials'> = {
  baseUrl: 'https://api.kaggle.com/v1',
  fetch: globalThis.fetch,
  sleep: async (ms, signal) => void (await delay(ms, undefined, signal ? { signal } : {})),
  now: () => new Date(),
  callTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
  maxTries: 5,
  maxWaitMs: 60_000,
  storageHosts: ['storage.googleapis.com', 'www.googleapis.com'],
};

const MAX_REPLY_BYTES = 64 * 1024 * 1024;
const USER_AGENT = 'kaggle-agent/0.1';

/** One call of Kaggle's RPC interface. `once` calls are never repeated: their effect may have happened. */
export interface RpcCall {
  service?: string;
  method: string;
  body: Record<string, unknown>;
  slug: string | null;
  signal: AbortSignal | undefined;
  once?: boolean;
}

/** The header that proves who calls; null without credentials. */
export function authorizationHeader(credentials: KaggleCredentials | null): string | null {
  if (credentials === null) return null;
  if ('token' in credentials) return `Bearer ${credentials.token}`;
  if (credentials.key.startsWith('KGAT_')) return `Bearer ${credentials.key}`;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.key}`).toString('base64')}`;
}

/** Call a method and read its reply by `schema`. Throws `KaggleError`, or the signal's reason when aborted. */
export async function callRpc<T extends z.ZodType>(settings: TransportSettings, call: RpcCall, schema: T): Promise<z.output<T>> {
  return retryReads(settings, call, async () => {
    const { response, path } = await sendRpc(settings, call);
    const body = await readText(response, path);
    const { code } = readErrorBody(body);
    if (code >= 400) throw refusalToError({ status: code, body, path, slug: call.slug, retryAfterMs: null, now: settings.now() });
    const parsed = schema.safeParse(parseReply(body, path));
    if (parsed.success) return parsed.data;
    const where = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new KaggleError('invalid-response', `Kaggle's answer to ${call.method} is not understood${where ? ` (field ${where})` : ''}.`, {
      path,
    });
  });
}

/** Send a call once; an answer of 400 or more becomes an error. The body of any other answer is not read yet. */
export async function sendRpc(settings: TransportSettings, call: RpcCall): Promise<{ response: Response; path: string }> {
  const path = `${call.service ?? 'competitions.CompetitionApiService'}/${call.method}`;
  const response = await fetchOnce(settings, `${settings.baseUrl}/${path}`, {
    method: 'POST',
    headers: rpcHeaders(settings.credentials),
    body: JSON.stringify(call.body),
    signal: withTimeout(call.signal, settings.callTimeoutMs),
    outerSignal: call.signal,
  });
  if (response.status < 400) return { response, path };
  const body = await readText(response, path).catch(() => '');
  const retryAfterMs = readRetryAfterMs(response.headers.get('retry-after'), settings.now());
  throw refusalToError({ status: response.status, body, path, slug: call.slug, retryAfterMs, now: settings.now() });
}

function rpcHeaders(credentials: KaggleCredentials | null): Record<string, string> {
  const authorization = authorizationHeader(credentials);
  const headers = { 'content-type': 'application/json', accept: 'application/json', 'user-agent': USER_AGENT };
  return authorization === null ? headers : { ...headers, authorization };
}

/** Try a read again after 429, 5xx and network trouble, with growing waits; everything else, and `once` calls, at once. */
export async function retryReads<T>(
  settings: Pick<TransportSettings, 'maxTries' | 'maxWaitMs' | 'sleep'>,
  call: { once?: boolean; signal: AbortSignal | undefined },
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      call.signal?.throwIfAborted();
      if (call.once || tries >= settings.maxTries || !isWorthRetrying(error)) throw error;
      const waitMs = chooseWaitMs(error, tries);
      if (waitMs > settings.maxWaitMs) throw error;
      await settings.sleep(waitMs, call.signal);
    }
  }
}

function isWorthRetrying(error: unknown): error is KaggleError {
  return error instanceof KaggleError && ['rate-limited', 'unavailable', 'network', 'expired-url'].includes(error.kind);
}

/** Kaggle's own wish first; without it 15, 30, 60 s for rate limits and 0.5, 1, 2, 4 s for trouble, both with up to 25 % added. */
function chooseWaitMs(error: KaggleError, tries: number): number {
  if (error.retryAfterMs !== null) return error.retryAfterMs;
  const baseMs = error.kind === 'rate-limited' ? 12_000 : 500;
  return Math.min(48_000, baseMs * 2 ** (tries - 1)) * (1 + Math.random() / 4);
}

/** One HTTP exchange without following redirects; trouble on the way becomes a `network` error that holds no query string. */
export async function fetchOnce(
  settings: Pick<TransportSettings, 'fetch'>,
  url: string,
  init: RequestInit & { signal: AbortSignal; outerSignal: AbortSignal | undefined },
): Promise<Response> {
  const { outerSignal, ...rest } = init;
  try {
    return await settings.fetch(url, { ...rest, redirect: 'manual' });
  } catch (error) {
    outerSignal?.throwIfAborted();
    throw networkError(url, error);
  }
}

/** A `network` error naming host and reason only: the rest of a signed URL is a secret. */
export function networkError(url: string, cause: unknown): KaggleError {
  const { host, pathname } = new URL(url);
  const inner =
    cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : cause instanceof Error ? cause.message : 'unknown';
  return new KaggleError('network', `No answer from ${host}: ${inner.slice(0, 200)}. Check the network, then try again.`, {
    path: pathname,
    cause,
  });
}

/** The caller's signal and a time limit in one. */
export function withTimeout(signal: AbortSignal | undefined, timeoutMs: number): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

async function readText(response: Response, path: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > MAX_REPLY_BYTES) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new KaggleError('network', 'The connection to Kaggle broke in the middle of an answer. Try again.', { path, cause });
  }
  if (bytes > MAX_REPLY_BYTES)
    throw new KaggleError('invalid-response', `Kaggle's answer is larger than ${MAX_REPLY_BYTES} bytes.`, { path });
  return Buffer.concat(chunks).toString('utf8');
}

function parseReply(body: string, path: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new KaggleError(
      'invalid-response',
      'Kaggle answered with something that is not JSON, as it does in a maintenance. Try again later.',
      {
        path,
        cause,
      },
    );
  }
}
