import test from 'ava';
import { AgentError } from '#core/errors.ts';
import { readErrorData } from '#adapters/broker/attempt.ts';
import { testEventSink } from '../../contract/event-sink.ts';
import { startSubscriber } from '../../_support/event-subscriber.ts';
import { startBroker, triggerTo } from '../../_support/in-process-broker.ts';
import { findFreePort } from '../../_support/listen-for-test.ts';
import { waitUntil } from '../../_support/wait-until.ts';

testEventSink(test, 'in-process broker', async (t) => {
  const subscriber = await startSubscriber(t);
  const { broker } = await startBroker(t, [triggerTo(subscriber.url)]);
  const { url } = broker;
  t.regex(url, /^http:\/\/127\.0\.0\.1:\d+\/default\/intake$/);
  return { sink: broker.sink, received: subscriber.events, stop: () => broker.close() };
});

test('only triggers whose filters match get an event: exact, any, all, and a missing attribute', async (t) => {
  const subscriber = await startSubscriber(t);
  const to = (name: string, filters: Parameters<typeof triggerTo>[2] = {}) =>
    triggerTo(`${subscriber.url}/${name}`, {}, { name, ...filters });
  const { broker, send } = await startBroker(t, [
    to('everything'),
    to('exact', { filters: [{ exact: { type: 'a.v1' } }] }),
    to('prefix-is-not-exact', { filters: [{ exact: { type: 'a' } }] }),
    to('any', { filters: [{ any: [{ exact: { type: 'a.v1' } }, { exact: { type: 'b.v1' } }] }] }),
    to('both', { filters: [{ exact: { type: 'a.v1' } }, { exact: { tenant: 'one' } }] }),
    to('all', { filters: [{ all: [{ exact: { type: 'a.v1', source: '/s' } }, { exact: { subject: 'x' } }] }] }),
    to('missing', { filters: [{ exact: { nothere: '' } }] }),
    to('inherited', { filters: [{ exact: { constructor: 'x' } }] }),
  ]);
  await send({ type: 'a.v1', extensions: { tenant: 'two' } });
  await broker.drain();
  t.is(subscriber.events.length, 4, 'everything, exact, any, all');
  await send({ type: 'a.v1', extensions: { tenant: 'one' } });
  await broker.drain();
  t.is(subscriber.events.length, 9);
  await send({ type: 'b.v1' });
  await broker.drain();
  t.is(subscriber.events.length, 11);
  t.like(broker.stats(), { accepted: 3, delivered: 11, lost: 0, pending: 0 });
});

test('an event gets the time it arrived, and subscribers are asked for a reply', async (t) => {
  const subscriber = await startSubscriber(t);
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url)], { clock: { now: () => new Date('2030-01-01T00:00:00Z') } });
  await send({ extensions: { knativearrivaltime: 'forged' } });
  await broker.drain();
  t.is(subscriber.events[0]?.extensions['knativearrivaltime'], '2030-01-01T00:00:00.000Z');
  t.like(subscriber.headers[0], { prefer: 'reply', 'ce-id': 'i' });
});

test('asynchronous: the producer is answered before a subscriber is; synchronous: after', async (t) => {
  const answers: (() => void)[] = [];
  const subscriber = await startSubscriber(t, (response) => answers.push(() => response.writeHead(204).end()));
  const quick = await startBroker(t, [triggerTo(subscriber.url)]);
  await quick.send();
  await waitUntil('the delivery', () => answers.length === 1);
  t.is(quick.broker.stats().pending, 1);
  answers.pop()?.();
  await quick.broker.drain();
  const careful = await startBroker(t, [triggerTo(subscriber.url)], { mode: 'sync' });
  let isAnswered = false;
  const sent = careful.send().then(() => (isAnswered = true));
  await waitUntil('the delivery', () => answers.length === 1);
  t.false(isAnswered);
  answers.pop()?.();
  await sent;
});

test('synchronous: the producer hears of a lost event, and not of a dead-lettered one', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.writeHead(400).end());
  const letters = await startSubscriber(t);
  const lost = await startBroker(t, [triggerTo(subscriber.url)], { mode: 'sync' });
  await t.throwsAsync(lost.send(), { instanceOf: AgentError, message: /answered 500/ });
  const kept = await startBroker(t, [triggerTo(subscriber.url, { deadLetterSink: letters.url })], { mode: 'sync' });
  await t.notThrowsAsync(kept.send());
  t.is(letters.events.length, 1);
});

for (const status of [404, 408, 409, 429, 500, 502, 503, 504]) {
  test(`an answer of ${status} is tried again`, async (t) => {
    const subscriber = await startSubscriber(t, (response, index) => response.writeHead(index < 2 ? status : 204).end());
    const { broker, send, pausesMs } = await startBroker(t, [triggerTo(subscriber.url)]);
    await send();
    await broker.drain();
    t.is(subscriber.events.length, 3);
    t.deepEqual(pausesMs, [1000, 2000]);
    t.like(broker.stats(), { delivered: 1, retried: 2, lost: 0 });
  });
}

for (const status of [300, 301, 302, 307, 400, 401, 403, 405, 410, 413, 422]) {
  test(`an answer of ${status} is final`, async (t) => {
    const subscriber = await startSubscriber(t, (response) => response.writeHead(status, { location: '/' }).end());
    const { broker, send, pausesMs } = await startBroker(t, [triggerTo(subscriber.url)]);
    await send();
    await broker.drain();
    t.is(subscriber.events.length, 1);
    t.deepEqual(pausesMs, []);
    t.like(broker.stats(), { delivered: 0, lost: 1 });
  });
}

test('retries end after their number: exponential d, 2d, 4d; linear 0, d, 2d', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.writeHead(503).end());
  for (const [backoffPolicy, expected] of [
    ['exponential', [1000, 2000, 4000]],
    ['linear', [0, 1000, 2000]],
  ] as const) {
    const before = subscriber.events.length;
    const { broker, send, pausesMs } = await startBroker(t, [triggerTo(subscriber.url, { backoffPolicy })]);
    await send();
    await broker.drain();
    t.is(subscriber.events.length - before, 4);
    t.deepEqual(pausesMs, [...expected]);
  }
});

test('no answer, a broken connection and a late answer are tried again', async (t) => {
  const nobody = await startBroker(t, [triggerTo(`http://127.0.0.1:${await findFreePort()}/`)]);
  await nobody.send();
  await nobody.broker.drain();
  t.like(nobody.broker.stats(), { retried: 3, lost: 1 });
  const subscriber = await startSubscriber(t, (response, index) => {
    if (index === 0) response.destroy();
    else if (index > 1) response.writeHead(204).end();
  });
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url, { timeoutMs: 500, retry: 10 })]);
  await send();
  await broker.drain();
  t.true(subscriber.events.length >= 3, 'destroyed, timed out, answered');
  t.is(broker.stats().delivered, 1);
  t.true(broker.stats().retried >= 2);
});

test('a reply that is a CloudEvent re-enters the broker', async (t) => {
  const headers = { 'ce-specversion': '1.0', 'ce-id': 'r', 'ce-type': 'reply.v1', 'ce-source': '/r', 'content-type': 'application/json' };
  const first = await startSubscriber(t, (response) => response.writeHead(200, headers).end('{"from":"first"}'));
  const second = await startSubscriber(t);
  const { broker, send } = await startBroker(t, [
    triggerTo(first.url, {}, { filters: [{ exact: { type: 't' } }] }),
    triggerTo(second.url, {}, { filters: [{ exact: { type: 'reply.v1' } }] }),
  ]);
  await send();
  await broker.drain();
  t.like(second.events[0], { id: 'r', type: 'reply.v1', source: '/r', data: { from: 'first' } });
  t.like(broker.stats(), { accepted: 2, replies: 1, delivered: 2 });
});

test('a trigger that sees its own replies goes round 255 times at most', async (t) => {
  const headers = { 'ce-specversion': '1.0', 'ce-id': 'r', 'ce-type': 't', 'ce-source': '/r' };
  const echo = await startSubscriber(t, (response) => response.writeHead(200, headers).end());
  const { broker, send } = await startBroker(t, [triggerTo(echo.url)]);
  await send();
  await broker.drain();
  t.is(echo.events.length, 256);
});

for (const [name, headers, body] of [
  ['a text', { 'content-type': 'text/plain' }, 'OK'],
  ['plain JSON', { 'content-type': 'application/json' }, '{"ok":true}'],
  ['an invalid CloudEvent', { 'ce-specversion': '1.0', 'ce-id': 'x' }, ''],
  ['a batch', { 'content-type': 'application/cloudevents-batch+json' }, '[]'],
] as const) {
  test(`a 2xx with ${name} as its body is a failure and tried again`, async (t) => {
    const subscriber = await startSubscriber(t, (response) => response.writeHead(200, headers).end(body));
    const { broker, send } = await startBroker(t, [triggerTo(subscriber.url)]);
    await send();
    await broker.drain();
    t.is(subscriber.events.length, 4);
    t.like(broker.stats(), { delivered: 0, lost: 1 });
  });
}

test('a dead letter is the same event with destination, code and data of the failure', async (t) => {
  const body = `no room\n${'é'.repeat(2000)}`;
  const subscriber = await startSubscriber(t, (response) => response.writeHead(422).end(body));
  const letters = await startSubscriber(t, (response) => response.writeHead(200).end('any body is fine here'));
  const { broker, send } = await startBroker(t, [triggerTo(`${subscriber.url}/door`, { deadLetterSink: letters.url })]);
  await send({ id: 'abc.3.t', subject: 'Größe', data: { a: 1 }, extensions: { attempt: 2 } });
  await broker.drain();
  const [letter] = letters.events;
  t.like(letter, { id: 'abc.3.t', type: 't', source: '/s', subject: 'Größe', data: { a: 1 } });
  t.like(letter?.extensions, { attempt: '2', knativeerrordest: `${subscriber.url}/door`, knativeerrorcode: '422' });
  const data = String(letter?.extensions['knativeerrordata']);
  t.is(data.length, 1024);
  t.regex(readErrorData(data), /^no roomé{300,}$/);
  t.like(broker.stats(), { deadLettered: 1, lost: 0, delivered: 0 });
});

test('the dead letter sink is tried as often as the subscriber; after that the event is lost', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.writeHead(500).end());
  const letters = await startSubscriber(t, (response, index) => response.writeHead(index < 2 ? 503 : 202).end());
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url, { deadLetterSink: letters.url })]);
  await send();
  await broker.drain();
  t.deepEqual([subscriber.events.length, letters.events.length], [4, 3]);
  t.is(broker.stats().deadLettered, 1);
  const hopeless = await startBroker(t, [triggerTo(subscriber.url, { deadLetterSink: `http://127.0.0.1:${await findFreePort()}/` })]);
  await hopeless.send();
  await hopeless.broker.drain();
  t.like(hopeless.broker.stats(), { deadLettered: 0, lost: 1 });
});

test('an event with as much as the ingress takes can still become a dead letter', async (t) => {
  const subscriber = await startSubscriber(t, (response) => response.writeHead(400).end('x'.repeat(3000)));
  const letters = await startSubscriber(t);
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url, { deadLetterSink: letters.url })]);
  const extensions = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`x${index}`, 'y'.repeat(280)]));
  await send({ extensions });
  await broker.drain();
  t.is(letters.events.length, 1);
  await t.throwsAsync(send({ extensions: { ...extensions, onemore: 'y' } }), { message: /answered 400/ });
});

test('a subscriber gets at most as many requests at once as it may, and all in the end', async (t) => {
  let now = 0;
  let most = 0;
  const subscriber = await startSubscriber(t, (response) => {
    now += 1;
    most = Math.max(most, now);
    setImmediate(() => {
      now -= 1;
      response.writeHead(204).end();
    });
  });
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url)], { concurrency: 4 });
  await Promise.all(Array.from({ length: 100 }, (_, index) => send({ id: `${index}` })));
  await broker.drain();
  t.is(subscriber.events.length, 100);
  t.true(most <= 4 && most > 1, `${most} at once`);
});

test('a full broker says 503, and takes events again when there is room', async (t) => {
  const waiting: (() => void)[] = [];
  const subscriber = await startSubscriber(t, (response) => waiting.push(() => response.writeHead(204).end()));
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url)], { maxPending: 2 });
  await send();
  await send();
  await t.throwsAsync(send(), { instanceOf: AgentError, message: /answered 503/ });
  await waitUntil('both deliveries', () => waiting.length === 2);
  for (const release of waiting.splice(0)) release();
  await broker.drain();
  await t.notThrowsAsync(send());
  await waitUntil('the third', () => waiting.length === 1);
  waiting[0]?.();
});

test('closing ends at once: retries and deliveries under way are lost, and new events are refused', async (t) => {
  const subscriber = await startSubscriber(t, () => undefined);
  const failing = await startSubscriber(t, (response) => response.writeHead(503).end());
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url), triggerTo(failing.url, { backoffDelayMs: 3_600_000 })], {
    wait: undefined,
  });
  await send();
  await waitUntil('both deliveries', () => subscriber.events.length === 1 && failing.events.length === 1);
  await broker.close();
  t.like(broker.stats(), { pending: 0, lost: 2 });
  await t.throwsAsync(send());
});

test('garbage at the ingress gets a clear 4xx, and the broker goes on', async (t) => {
  const subscriber = await startSubscriber(t);
  const { broker, send } = await startBroker(t, [triggerTo(subscriber.url)]);
  const { url } = broker;
  const event = { 'ce-specversion': '1.0', 'ce-id': 'i', 'ce-type': 't', 'ce-source': '/s', 'content-type': 'application/json' };
  const batch = { 'content-type': 'application/cloudevents-batch+json' };
  const item = { specversion: '1.0', id: 'i', type: 't', source: '/s' };
  const cases: [string, RequestInit, number][] = [
    [url, { method: 'POST', body: 'hello' }, 400],
    [url, { method: 'POST', headers: event, body: '{' }, 400],
    [url, { method: 'POST', headers: batch, body: JSON.stringify([item, item]) }, 400],
    [url, { method: 'POST', headers: event, body: 'x'.repeat(400_000) }, 413],
    [url, { method: 'GET' }, 405],
    [`${url}x`, { method: 'POST', headers: event }, 404],
    [`${url}?a=b`, { method: 'POST', headers: event }, 404],
    [new URL('/', url).href, { method: 'POST', headers: event }, 404],
  ];
  for (const [address, init, status] of cases) {
    const response = await fetch(address, init);
    t.is(response.status, status, `${init.method ?? ''} ${address}`);
    t.true((await response.text()).length > 10);
  }
  t.is(broker.stats().refused, cases.length);
  const accepted = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify(item),
  });
  t.is(accepted.status, 202);
  await send();
  await broker.drain();
  t.is(subscriber.events.length, 2);
});

test('a broker may listen before it knows its subscribers', async (t) => {
  const subscriber = await startSubscriber(t);
  const { broker, send } = await startBroker(t, []);
  await send({ id: 'too early' });
  broker.setTriggers([triggerTo(subscriber.url)]);
  await send({ id: 'in time' });
  await broker.drain();
  t.deepEqual(
    subscriber.events.map((event) => event.id),
    ['in time'],
  );
});

test('error data is read back whether it is base64 or plain', (t) => {
  const cut = Buffer.from('é'.repeat(900)).toString('base64').slice(0, 1023);
  t.regex(readErrorData(cut), /^é+$/);
  t.is(readErrorData(Buffer.from('{"detail":"no"}').toString('base64')), '{"detail":"no"}');
  t.is(readErrorData('dispatch error: timeout'), 'dispatch error: timeout');
  t.is(readErrorData(''), '');
});
