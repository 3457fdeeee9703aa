import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AgentError, callerError } from '#core/errors.ts';
import type { Clock, EventSink, Logger } from '#core/ports.ts';
import type { PlainEvent } from '#core/events.ts';
import { INGRESS_LIMITS } from './attributes.ts';
import { MAX_EVENT_BODY_BYTES, parseCloudEventRequest } from './cloud-event.ts';
import type { Trigger } from './delivery.ts';
import { Dispatcher } from './dispatcher.ts';
import type { BrokerStats, Wait } from './dispatcher.ts';
import type { BrokerFaults } from './faults.ts';
import { createHttpSink } from './http-sink.ts';

const DEFAULT_MAX_PENDING = 50_000;
const DEFAULT_CONCURRENCY = 16;
/** How often an event may pass the broker again as a reply, as Knative counts it. */
const REPLY_LIMIT = 255;

export interface InProcessBrokerOptions {
  readonly name: string;
  readonly triggers: readonly Trigger[];
  readonly logger: Logger;
  readonly namespace?: string;
  /** `async` acknowledges first (Knative's async-handler); `sync` answers when every trigger is done. Default `async`. */
  readonly mode?: 'async' | 'sync';
  readonly clock?: Pick<Clock, 'now'>;
  /** Pauses between tries, and those of the fault knobs; tests give their own. */
  readonly wait?: Wait;
  readonly faults?: BrokerFaults;
  readonly seed?: number;
  /** Requests to one subscriber at a time. */
  readonly concurrency?: number;
  /** Deliveries kept in memory; above it the broker answers 503. */
  readonly maxPending?: number;
}

/** A broker in this process that speaks to everyone by HTTP, with Knative's rules. Its queue is in memory and is lost on close. */
export interface InProcessBroker {
  /** Where producers post events; throws before `listen`. */
  readonly url: string;
  /** Sends to this broker, by HTTP like anyone else. */
  readonly sink: EventSink;
  /** On 127.0.0.1; port 0 (default) takes a free one. */
  listen(port?: number): Promise<void>;
  /** Replaces the triggers: subscribers may be known only after the broker listens. */
  setTriggers(triggers: readonly Trigger[]): void;
  /** Turns knobs for events that come from now on; knobs not named keep their place. */
  setFaults(faults: BrokerFaults): void;
  stats(): BrokerStats;
  /** Resolves when nothing is queued, held, waiting for a retry or being delivered. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Makes a broker; it starts on `listen`. */
export function createInProcessBroker(options: InProcessBrokerOptions): InProcessBroker {
  const dispatcher = new Dispatcher({
    name: options.name,
    triggers: options.triggers,
    logger: options.logger,
    now: () => options.clock?.now() ?? new Date(),
    wait: options.wait,
    faults: options.faults ?? {},
    seed: options.seed ?? 1,
    concurrency: options.concurrency ?? DEFAULT_CONCURRENCY,
  });
  const path = `/${options.namespace ?? 'default'}/${options.name}`;
  const door = new IngressDoor(dispatcher, path, options);
  const server = createServer((request, response) => void door.handle(request, response));
  const readUrl = (): string => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error(`broker ${options.name} is not listening`);
    return `http://127.0.0.1:${address.port}${path}`;
  };
  return {
    get url() {
      return readUrl();
    },
    sink: createHttpSink({ url: readUrl }),
    listen: async (port = 0) => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    setTriggers: (triggers) => dispatcher.setTriggers(triggers),
    setFaults: (faults) => dispatcher.setFaults(faults),
    stats: () => dispatcher.stats(),
    drain: () => dispatcher.drain(),
    close: async () => {
      await dispatcher.close();
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The broker's ingress: one path, one event a request; 202 when taken. */
class IngressDoor {
  readonly #dispatcher: Dispatcher;
  readonly #path: string;
  readonly #isSync: boolean;
  readonly #maxPending: number;

  constructor(dispatcher: Dispatcher, path: string, options: InProcessBrokerOptions) {
    this.#dispatcher = dispatcher;
    this.#path = path;
    this.#isSync = options.mode === 'sync';
    this.#maxPending = options.maxPending ?? DEFAULT_MAX_PENDING;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const event = await this.#read(request);
      const delivered = this.#dispatcher.accept(event, REPLY_LIMIT);
      if (this.#isSync && !(await delivered)) {
        answer(response, 500, 'a subscriber did not take the event, and its trigger has no dead letter sink');
      } else {
        answer(response, 202, '');
      }
    } catch (error) {
      this.#dispatcher.countRefused();
      request.resume();
      if (error instanceof AgentError) answer(response, error.status, error.message);
      else answer(response, 400, 'the request broke off');
    }
  }

  async #read(request: IncomingMessage): Promise<PlainEvent> {
    if (request.url !== this.#path) throw callerError('not-found', 404, `there is no broker at this path: post events to ${this.#path}`);
    if (request.method !== 'POST') throw callerError('method-not-allowed', 405, 'post events to this path');
    if (this.#dispatcher.stats().pending >= this.#maxPending) throw busy(this.#maxPending);
    const [event, second] = parseCloudEventRequest({ headers: request.headers, body: await readText(request) }, INGRESS_LIMITS);
    if (event === undefined || second !== undefined)
      throw callerError('invalid-event', 400, 'a broker takes one event a request, not a batch');
    return event;
  }
}

function busy(maxPending: number): AgentError {
  return new AgentError({
    code: 'unavailable',
    status: 503,
    message: `the broker holds ${maxPending} deliveries: send again later`,
    turn: 'retry',
  });
}

/** By listeners, not `for await`: leaving that loop early would cut the connection before our answer. */
async function readText(request: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= MAX_EVENT_BODY_BYTES) chunks.push(chunk);
    else reject(callerError('body-too-large', 413, `an event body has at most ${MAX_EVENT_BODY_BYTES} bytes`));
  });
  request.once('end', () => resolve(Buffer.concat(chunks).toString()));
  request.once('error', reject);
  request.once('close', () => reject(new Error('the request broke off')));
  return promise;
}

function answer(response: ServerResponse, status: number, text: string): void {
  if (response.destroyed) return;
  response.writeHead(status, text === '' ? {} : { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(text);
}
