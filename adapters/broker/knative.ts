import { setTimeout as pause } from 'node:timers/promises';
import { unavailable } from '#core/errors.ts';
import type { PlainEvent } from '#core/events.ts';
import type { EventSink } from '#core/ports.ts';
import { computeBackoffDelayMs } from '#core/retry.ts';
import type { BackoffPolicy } from '#core/retry.ts';
import { buildEventMessage } from './cloud-event.ts';
import { Gate } from './gate.ts';
import { describePostError, postMessage } from './http-post.ts';
import type { HttpSinkOptions } from './http-sink.ts';

/** A sink in a cluster: K_SINK, and what K_CE_OVERRIDES adds to every event. */
export interface KnativeSinkOptions extends HttpSinkOptions {
  /** Extension attributes that replace an event's own of the same name. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** In [0, 1), for the jitter of the pauses between two tries; default Math.random. */
  readonly random?: () => number;
}

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_CONCURRENT = 16;
const MAX_TRIES = 4;
/** For blips: an event that is not taken in about a second is left to its sender's own, longer backoff. */
const BACKOFF: BackoffPolicy = { initialMs: 100, factor: 3, maxMs: 2_000 };

/**
 * Sends events to a broker of a cluster, as Knative's own senders do: no answer, 408, 425, 429 and 5xx are tried again, at most 4 times and never
 * beyond the caller's timeout, with backoff, jitter and the broker's Retry-After. The same event may arrive twice, with the same id.
 */
export function createKnativeSink(options: KnativeSinkOptions): EventSink {
  const { overrides = {}, random = Math.random } = options;
  const gate = new Gate(MAX_CONCURRENT);
  return {
    send: async (event, { timeoutMs }) => {
      const message = buildEventMessage({ ...event, extensions: { ...event.extensions, ...overrides } });
      const url = readUrl(options.url);
      const endsAt = performance.now() + timeoutMs;
      const signal = AbortSignal.timeout(timeoutMs);
      const post = { url, headers: { ...options.headers, ...message.headers }, body: message.body, signal };
      for (let tries = 1; ; tries += 1) {
        const outcome = await tryOnce(gate, post, { event, timeoutMs });
        if (outcome === null) return;
        const delayMs = Math.max(outcome.retryAfterMs, computeBackoffDelayMs(BACKOFF, tries, random));
        if (!outcome.isTemporary || tries >= MAX_TRIES || performance.now() + delayMs >= endsAt)
          throw unavailable(outcome.text, outcome.cause);
        await pause(delayMs);
      }
    },
  };
}

/** Why a try failed, in words that hold no secret. */
interface FailedTry {
  readonly text: string;
  readonly isTemporary: boolean;
  readonly retryAfterMs: number;
  readonly cause: unknown;
}

/** Null when the event was taken. */
async function tryOnce(
  gate: Gate,
  post: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly signal: AbortSignal },
  params: { readonly event: PlainEvent; readonly timeoutMs: number },
): Promise<FailedTry | null> {
  const { event, timeoutMs } = params;
  try {
    const { status, headers } = await gate.run(() => postMessage({ ...post, maxAnswerBytes: MAX_ANSWER_BYTES }), post.signal);
    if (status >= 200 && status <= 299) return null;
    const seconds = Number(headers['retry-after'] ?? 0);
    return {
      text: `${describeUrl(post.url)} answered ${status} to event ${event.id} (${event.type})`,
      isTemporary: status >= 500 || status === 408 || status === 425 || status === 429,
      retryAfterMs: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0,
      cause: undefined,
    };
  } catch (error) {
    const text = `${describeUrl(post.url)} did not take an event: ${describePostError(error, timeoutMs)}`;
    return { text, isTemporary: !post.signal.aborted && URL.canParse(post.url), retryAfterMs: 0, cause: error };
  }
}

function readUrl(url: HttpSinkOptions['url']): string {
  if (typeof url === 'string') return url;
  try {
    return url();
  } catch (error) {
    throw unavailable(`an event could not be sent: ${error instanceof Error ? error.message : 'its sink has no address'}`, error);
  }
}

/** Address without user, password and query. */
function describeUrl(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? 'the event sink (its URL is not valid)' : `event sink ${parsed.origin}${parsed.pathname}`;
}
