import { createServer } from 'node:http';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { createKnativeSink } from '#adapters/broker/knative.ts';
import { parseOverrides } from '#adapters/broker/ce-overrides.ts';
import { AgentError } from '#core/errors.ts';
import { testEventSink } from '../../contract/event-sink.ts';
import { startSubscriber } from '../../_support/event-subscriber.ts';
import { findFreePort, listenForTest } from '../../_support/listen-for-test.ts';

const EVENT = { id: '1', type: 't', source: '/s', subject: 'x', time: '2026-01-31T12:00:00Z', data: { a: 1 }, extensions: { team: 'a' } };

testEventSink(test, 'Knative sink', async (t) => {
  const subscriber = await startSubscriber(t);
  let url = subscriber.url;
  const stop = async () => void (url = `http://127.0.0.1:${await findFreePort()}/gone`);
  return { sink: createKnativeSink({ url: () => url }), received: subscriber.events, stop };
});

/** A broker that gives one answer after the other, the last one for ever. */
async function startBroker(t: ExecutionContext, answers: readonly (number | 'cut' | 'silence')[], headers: Record<string, string> = {}) {
  const ids: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ids.push(request.headers['ce-id']?.toString());
    request.resume();
    const answer = answers[Math.min(ids.length, answers.length) - 1] ?? 200;
    if (answer === 'cut') request.socket.destroy();
    else if (answer !== 'silence') response.writeHead(answer, headers).end();
  });
  return { url: await listenForTest(t, server), ids };
}

for (const answer of [408, 425, 429, 500, 502, 503, 504, 'cut'] as const) {
  test(`an event is sent again after ${answer}`, async (t) => {
    const broker = await startBroker(t, [answer, answer, 202]);
    await createKnativeSink({ url: broker.url, random: () => 0 }).send(EVENT, { timeoutMs: 10_000 });
    t.deepEqual(broker.ids, ['1', '1', '1']);
  });
}

for (const answer of [301, 400, 404, 409, 413] as const) {
  test(`an event is not sent again after ${answer}`, async (t) => {
    const broker = await startBroker(t, [answer, 202]);
    const error = await t.throwsAsync(createKnativeSink({ url: broker.url }).send(EVENT, { timeoutMs: 10_000 }), {
      instanceOf: AgentError,
    });
    t.like(error, { code: 'unavailable', message: `event sink ${broker.url}/ answered ${answer} to event 1 (t)` });
    t.is(broker.ids.length, 1);
  });
}

test('a broker that stays broken is given up after 4 tries', async (t) => {
  const broker = await startBroker(t, [503]);
  await t.throwsAsync(createKnativeSink({ url: broker.url, random: () => 0 }).send(EVENT, { timeoutMs: 60_000 }), {
    message: /answered 503/,
  });
  t.is(broker.ids.length, 4);
});

test("the caller's timeout bounds all tries together, and a Retry-After beyond it is not waited for", async (t) => {
  const silent = await startBroker(t, [500, 'silence']);
  const began = performance.now();
  await t.throwsAsync(createKnativeSink({ url: silent.url }).send(EVENT, { timeoutMs: 700 }), { message: /no answer within 700 ms/ });
  const busy = await startBroker(t, [429], { 'retry-after': '3600' });
  await t.throwsAsync(createKnativeSink({ url: busy.url }).send(EVENT, { timeoutMs: 60_000 }), { message: /answered 429/ });
  t.is(busy.ids.length, 1);
  t.true(performance.now() - began < 10_000);
});

test('a Retry-After within the timeout is waited for', async (t) => {
  const broker = await startBroker(t, [503, 200], { 'retry-after': '1' });
  const began = performance.now();
  await createKnativeSink({ url: broker.url }).send(EVENT, { timeoutMs: 30_000 });
  t.true(performance.now() - began >= 990);
});

test('overrides of the sink binding are set on every event, and win', async (t) => {
  const subscriber = await startSubscriber(t);
  const overrides = parseOverrides('{"extensions": {"team": "b", "region": "eu"}}');
  await createKnativeSink({ url: subscriber.url, overrides }).send(EVENT, { timeoutMs: 5000 });
  t.like(subscriber.events[0], { id: '1', extensions: { team: 'b', region: 'eu' } });
});

test('overrides that are none are an error that says what they must be', (t) => {
  t.deepEqual(parseOverrides(undefined), {});
  t.deepEqual(parseOverrides('{}'), {});
  for (const text of ['{', '[]', '{"extensions": {"Not-A-Name": "x"}}', '{"extensions": {"a": 1}}']) {
    t.throws(() => parseOverrides(text), { message: /K_CE_OVERRIDES must be JSON/ }, text);
  }
});
