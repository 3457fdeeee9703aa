import type { ExecutionContext } from 'ava';
import { createInProcessBroker } from '#adapters/broker/in-process.ts';
import type { InProcessBroker, InProcessBrokerOptions } from '#adapters/broker/in-process.ts';
import type { DeliverySettings, Trigger } from '#adapters/broker/delivery.ts';
import type { PlainEvent } from '#core/events.ts';

/** A listening broker that closes with the test, and the pauses that it asked for (none of them really waited). */
export interface BrokerUnderTest {
  readonly broker: InProcessBroker;
  readonly pausesMs: number[];
  send(event?: Partial<PlainEvent>): Promise<void>;
}

export const DELIVERY: DeliverySettings = {
  retry: 3,
  backoffPolicy: 'exponential',
  backoffDelayMs: 1000,
  timeoutMs: 5000,
  deadLetterSink: null,
};

/** A trigger for every event, unless told otherwise. */
export function triggerTo(subscriber: string, delivery: Partial<DeliverySettings> = {}, rest: Partial<Trigger> = {}): Trigger {
  return { name: 'all', filters: [], subscriber, delivery: { ...DELIVERY, ...delivery }, ...rest };
}

/** Starts a broker for one test. */
export async function startBroker(
  t: ExecutionContext,
  triggers: readonly Trigger[],
  options: Partial<InProcessBrokerOptions> = {},
): Promise<BrokerUnderTest> {
  const pausesMs: number[] = [];
  const logger = { info: () => undefined, warn: () => undefined, error: (_: unknown, message: string) => t.log(message) };
  const wait = async (ms: number) => void pausesMs.push(ms);
  const broker = createInProcessBroker({ name: 'intake', triggers, logger, wait, ...options });
  await broker.listen();
  t.teardown(() => broker.close());
  const send = async (event: Partial<PlainEvent> = {}) =>
    broker.sink.send(
      { id: 'i', type: 't', source: '/s', subject: 'x', time: '2026-01-31T12:00:00.000Z', data: {}, extensions: {}, ...event },
      { timeoutMs: 10_000 },
    );
  return { broker, pausesMs, send };
}
