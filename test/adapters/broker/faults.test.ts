import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { InProcessBrokerOptions } from '#adapters/broker/in-process.ts';
import { startSubscriber } from '../../_support/event-subscriber.ts';
import { startBroker, triggerTo } from '../../_support/in-process-broker.ts';
import { waitUntil } from '../../_support/wait-until.ts';

const IDS = Array.from({ length: 60 }, (_, index) => String(index));

/** Sends 60 events one after the other and says in which order they came. One at a time, so that only the knobs reorder. */
async function sendAll(t: ExecutionContext, options: Partial<InProcessBrokerOptions>) {
  const subscriber = await startSubscriber(t);
  const { broker, send, pausesMs } = await startBroker(t, [triggerTo(subscriber.url)], { concurrency: 1, ...options });
  for (const id of IDS) await send({ id });
  await broker.drain();
  return { ids: subscriber.events.map((event) => event.id), stats: broker.stats(), pausesMs };
}

test('dropping everything still acknowledges everything', async (t) => {
  const { ids, stats } = await sendAll(t, { faults: { drop: 1 } });
  t.deepEqual(ids, []);
  t.like(stats, { accepted: 60, dropped: 60, delivered: 0, pending: 0 });
});

test('dropping a share is the same for the same seed, and another for another', async (t) => {
  const first = await sendAll(t, { faults: { drop: 0.5 }, seed: 7 });
  t.true(first.ids.length > 15 && first.ids.length < 45, `${first.ids.length} of 60`);
  t.deepEqual((await sendAll(t, { faults: { drop: 0.5 }, seed: 7 })).ids, first.ids);
  t.notDeepEqual((await sendAll(t, { faults: { drop: 0.5 }, seed: 8 })).ids, first.ids);
});

test('dropping by rule drops what the rule names', async (t) => {
  const { ids } = await sendAll(t, { faults: { drop: (event, trigger) => trigger === 'all' && Number(event.id) % 2 === 0 } });
  t.deepEqual(
    ids,
    IDS.filter((id) => Number(id) % 2 === 1),
  );
});

test('every event three times and shuffled: all copies come, in another order', async (t) => {
  const { ids, stats } = await sendAll(t, { faults: { copies: 3, shuffle: { size: 50, holdMs: 60_000 } }, wait: undefined });
  t.deepEqual([...ids].sort(), [...IDS, ...IDS, ...IDS].sort());
  t.like(stats, { accepted: 60, delivered: 180, duplicated: 120 });
  const steps = ids.slice(1).filter((id, index) => Number(id) < Number(ids[index])).length;
  t.true(steps > 30, `${steps} of 179 steps go back`);
});

test('without knobs one subscriber that is asked one at a time gets events in the order they came', async (t) => {
  t.deepEqual((await sendAll(t, {})).ids, IDS);
});

test('a shuffle window lets go when its time is over, without a drain', async (t) => {
  const subscriber = await startSubscriber(t);
  const { send, pausesMs } = await startBroker(t, [triggerTo(subscriber.url)], { faults: { shuffle: { size: 1000, holdMs: 250 } } });
  await send();
  await waitUntil('the held event', () => subscriber.events.length === 1);
  t.deepEqual(pausesMs, [250]);
});

test('delays are asked of the given timers', async (t) => {
  const fixed = await sendAll(t, { faults: { delayMs: 40 } });
  t.deepEqual(
    fixed.pausesMs,
    IDS.map(() => 40),
  );
  const { ids, pausesMs } = await sendAll(t, { faults: { delayMs: { minMs: 10, maxMs: 20 } } });
  t.is(ids.length, 60);
  t.true(pausesMs.every((ms) => ms >= 10 && ms < 20) && new Set(pausesMs).size > 30);
});

test('knobs turn at run time, and those not named stay', async (t) => {
  const subscriber = await startSubscriber(t);
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url)], { faults: { drop: 1, copies: 2 } });
  await send();
  broker.setFaults({ drop: 0 });
  await send();
  await broker.drain();
  t.is(subscriber.events.length, 2);
});

test('retries and dead letters are not touched by the drop knob', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.writeHead(503).end());
  const letters = await startSubscriber(t);
  let asked = 0;
  const drop = () => {
    asked += 1;
    return false;
  };
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url, { deadLetterSink: letters.url })], { faults: { drop } });
  await send();
  await broker.drain();
  t.deepEqual([asked, subscriber.events.length, letters.events.length], [1, 4, 1]);
});
