import { unavailable } from '#core/errors.ts';
import type { PlainEvent } from '#core/events.ts';
import type { EventSink } from '#core/ports.ts';
import { buildEventMessage } from './cloud-event.ts';
import { Gate } from './gate.ts';
import { describePostError, postMessage } from './http-post.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_CONCURRENT = 16;

/** Where events go (K_SINK; a function when the address is not known yet), and headers to add to each request, such as an authorization. */
export interface HttpSinkOptions {
  readonly url: string | (() => string);
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends events as CloudEvents in binary mode. A redirect is no success: it is not followed. */
export function createHttpSink(options: HttpSinkOptions): EventSink {
  const { url, headers = {} } = options;
  const gate = new Gate(MAX_CONCURRENT);
  return {
    send: async (event: PlainEvent, { timeoutMs }) => {
      const message = buildEventMessage(event);
      const target = typeof url === 'string' ? url : readUrl(url);
      const status = await post(gate, target, { headers: { ...headers, ...message.headers }, body: message.body, timeoutMs });
      if (status < 200 || status > 299) throw unavailable(`${describeUrl(target)} answered ${status} to event ${event.id} (${event.type})`);
    },
  };
}

function readUrl(url: () => string): string {
  try {
    return url();
  } catch (error) {
    throw unavailable(`an event could not be sent: ${error instanceof Error ? error.message : 'its sink has no address'}`, error);
  }
}

/** The timeout covers the wait for a place too. */
async function post(
  gate: Gate,
  url: string,
  params: { headers: Record<string, string>; body: string; timeoutMs: number },
): Promise<number> {
  const { headers, body, timeoutMs } = params;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const { status } = await gate.run(() => postMessage({ url, headers, body, maxAnswerBytes: MAX_ANSWER_BYTES, signal }), signal);
    return status;
  } catch (error) {
    throw unavailable(`${describeUrl(url)} did not take an event: ${describePostError(error, timeoutMs)}`, error);
  }
}

/** Address without user, password and query. */
function describeUrl(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? 'the event sink (its URL is not valid)' : `event sink ${parsed.origin}${parsed.pathname}`;
}
