import test from 'ava';
import { COLLECTOR_TYPES, EVENT_TYPES, LAUNCHER_TYPES, SUBMIT_TYPES } from '#core/events.ts';
import { matchesFilters } from '#adapters/broker/delivery.ts';
import { TRIGGER_TABLE, buildTriggers } from '#adapters/broker/triggers.ts';

const TARGETS = { submit: 'http://s/base/', jobLauncher: 'http://l', collector: 'http://c', deadLetter: 'http://d/letters' };

function receivers(broker: 'intake' | 'signals', type: string): string[] {
  const event = { id: 'i', type, source: '/s', subject: '', time: '', data: null, extensions: {} };
  return buildTriggers(broker, TARGETS)
    .filter((trigger) => matchesFilters(trigger.filters, event))
    .map((trigger) => trigger.subscriber);
}

test('every event type goes to its one door, on its own broker only', (t) => {
  for (const type of SUBMIT_TYPES)
    t.deepEqual([receivers('intake', type), receivers('signals', type)], [['http://s/base/events'], []], type);
  for (const type of LAUNCHER_TYPES) t.deepEqual([receivers('intake', type), receivers('signals', type)], [['http://l/'], []], type);
  for (const type of COLLECTOR_TYPES) t.deepEqual([receivers('intake', type), receivers('signals', type)], [[], ['http://c/']], type);
  t.deepEqual(receivers('intake', EVENT_TYPES.improved), [], 'for other systems only');
  t.deepEqual([...receivers('intake', EVENT_TYPES.ping), ...receivers('signals', EVENT_TYPES.ping)], [], 'ticks pass through no broker');
  t.deepEqual(receivers('intake', 'unknown'), []);
});

test('every intake trigger has a dead letter sink, no signals trigger has one, and delivery is spelled out', (t) => {
  for (const trigger of buildTriggers('intake', TARGETS)) t.is(trigger.delivery.deadLetterSink, 'http://d/letters');
  for (const trigger of buildTriggers('signals', TARGETS)) t.is(trigger.delivery.deadLetterSink, null);
  for (const row of TRIGGER_TABLE) {
    t.true(row.timing.retry > 0 && row.timing.backoffDelayMs > 0 && row.timing.timeoutMs > 0, row.name);
    t.true(row.types.length > 0);
  }
});

test('timing can be replaced as a whole', (t) => {
  const [trigger] = buildTriggers('intake', TARGETS, { retry: 1, backoffDelayMs: 5 });
  t.like(trigger?.delivery, { retry: 1, backoffDelayMs: 5, timeoutMs: 30_000 });
});
