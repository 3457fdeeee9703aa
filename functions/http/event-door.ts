import type { PlainEvent } from '#core/events.ts';
import type { RequestContext } from './app.ts';
import { AgentError, callerError, unavailable } from '#core/errors.ts';
import { parseCloudEventRequest } from '#adapters/broker/cloud-event.ts';
import { assertStorable, readBodyText } from './body.ts';

/**
 * The door of every event handler, with the answers that a broker understands: 204 = done (also duplicate, stale, unknown), 4xx = never
 * valid, goes to the dead letters at once, 503 = send it again. Never 404, 408, 409 or 429, and never a body on 2xx: that would be a reply.
 */
export async function handleEvents(context: RequestContext, handle: (events: readonly PlainEvent[]) => Promise<void>): Promise<void> {
  const events = await readEvents(context);
  try {
    await handle(events);
  } catch (error) {
    throw toBrokerError(error);
  }
  context.res.writeHead(204).end();
}

/** The events of a request. Throws AgentError 400, 413, 415 or 422; one bad event refuses the whole batch. */
export async function readEvents({ req }: RequestContext): Promise<PlainEvent[]> {
  const body = await readBodyText(req);
  const events = parseCloudEventRequest({ headers: req.headers, body });
  for (const [index, event] of events.entries()) assertStorable(event, events.length === 1 ? '' : `/${index}`);
  return events;
}

/** An error as a broker has to hear it: only 4xx that are not retried, everything else 503. */
export function toBrokerError(error: unknown): AgentError {
  if (!(error instanceof AgentError)) return unavailable('The event could not be handled just now. Send it again.', error);
  if (error.status === 400 || error.status === 422) return error;
  if (error.turn === 'caller') return callerError('invalid-event', 422, error.message, error.details);
  return error.status === 503 ? error : unavailable(error.message, error);
}
