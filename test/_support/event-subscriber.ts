import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { ExecutionContext } from 'ava';
import { parseCloudEventRequest } from '#adapters/broker/cloud-event.ts';
import type { PlainEvent } from '#core/events.ts';
import { listenForTest } from './listen-for-test.ts';

/** How a subscriber answers the n-th request (from 0). The default is 204. */
export type Answer = (response: ServerResponse, index: number, event: PlainEvent) => void;

export interface Subscriber {
  readonly url: string;
  /** Every event that came, also those answered with an error. */
  readonly events: PlainEvent[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>[];
}

/** A real HTTP server that takes CloudEvents until the test ends. */
export async function startSubscriber(
  t: ExecutionContext,
  answer: Answer = (response) => response.writeHead(204).end(),
): Promise<Subscriber> {
  const events: PlainEvent[] = [];
  const headers: Subscriber['headers'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const [event] = parseCloudEventRequest({ headers: request.headers, body });
      if (event === undefined) throw new Error('no event');
      events.push(event);
      headers.push(request.headers);
      answer(response, events.length - 1, event);
    });
  });
  return { url: await listenForTest(t, server), events, headers };
}
