import { AgentError } from '#core/errors.ts';
import type { PlainEvent } from '#core/events.ts';
import type { EventRequest } from './cloud-event.ts';
import { buildEventMessage, isCloudEventMessage, parseCloudEventRequest } from './cloud-event.ts';
import { describePostError, postMessage } from './http-post.ts';

const MAX_REPLY_BYTES = 512 * 1024;
const ERROR_DATA_BYTES = 1024;

/** What one try came to. `status` null: no answer. `body`: the start of the answer, for the dead letter. */
export type AttemptOutcome =
  { readonly ok: true; readonly reply: PlainEvent | null } | { readonly ok: false; readonly status: number | null; readonly body: string };

export interface AttemptParams {
  readonly url: string;
  readonly event: PlainEvent;
  readonly timeoutMs: number;
  /** Ends the try when the broker closes. */
  readonly signal: AbortSignal;
  /** A dead letter sink may answer with any body; a subscriber only with none or one CloudEvent. */
  readonly anyBody: boolean;
}

/** One try to deliver an event by HTTP. Never throws. */
export async function attemptDelivery(params: AttemptParams): Promise<AttemptOutcome> {
  const controller = new AbortController();
  const stop = () => controller.abort(params.signal.reason);
  const timer = setTimeout(() => controller.abort(new DOMException('timeout', 'TimeoutError')), params.timeoutMs);
  params.signal.addEventListener('abort', stop, { once: true });
  if (params.signal.aborted) stop();
  const { signal } = controller;
  try {
    const message = buildEventMessage(params.event);
    const headers = { ...message.headers, prefer: 'reply' };
    const answer = await postMessage({ url: params.url, headers, body: message.body, maxAnswerBytes: MAX_REPLY_BYTES, signal });
    if (answer.status < 200 || answer.status > 299) return { ok: false, status: answer.status, body: answer.body };
    return params.anyBody ? { ok: true, reply: null } : readReply(answer.headers, answer.body);
  } catch (error) {
    return { ok: false, status: null, body: `dispatch error: ${describePostError(error, params.timeoutMs)}` };
  } finally {
    clearTimeout(timer);
    params.signal.removeEventListener('abort', stop);
  }
}

/** As Knative's filter does: a body that is no single valid CloudEvent is a failed delivery (502), the usual mistake of subscribers. */
function readReply(headers: EventRequest['headers'], body: string): AttemptOutcome {
  if (!isCloudEventMessage(headers)) {
    return body === '' ? { ok: true, reply: null } : { ok: false, status: 502, body: 'the answer has a body that is no CloudEvent' };
  }
  try {
    const [reply, second] = parseCloudEventRequest({ headers, body });
    if (reply !== undefined && second === undefined) return { ok: true, reply };
    return { ok: false, status: 502, body: 'the answer must hold exactly one CloudEvent' };
  } catch (error) {
    return { ok: false, status: 502, body: error instanceof AgentError ? error.message : 'the answer is no valid CloudEvent' };
  }
}

/** The event as the dead letter sink gets it: error data is base64, cut at 1024 characters, as Knative sends it. */
export function makeDeadLetter(event: PlainEvent, failure: { destination: string; status: number | null; body: string }): PlainEvent {
  const printable = Buffer.from(failure.body)
    .subarray(0, ERROR_DATA_BYTES)
    .filter((byte) => byte > 31 && byte !== 127);
  return {
    ...event,
    extensions: {
      ...event.extensions,
      knativeerrordest: failure.destination,
      knativeerrorcode: String(failure.status ?? 500),
      knativeerrordata: Buffer.from(printable).toString('base64').slice(0, ERROR_DATA_BYTES),
    },
  };
}

/** Reads `knativeerrordata` back: text when it is base64 of text (possibly cut), else the value itself. */
export function readErrorData(value: string): string {
  const whole = value.slice(0, value.length - (value.length % 4));
  if (whole === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(whole)) return value;
  const text = Buffer.from(whole, 'base64').toString();
  // oxlint-disable-next-line no-control-regex -- bytes that are no text mean that it was not base64
  return /[\u0000-\u0008\u000e-\u001f]/.test(text) || text.slice(0, -1).includes('\ufffd') ? value : text.replace(/\ufffd$/, '');
}
