import { createServer } from 'node:http';
import test from 'ava';
import { AgentError } from '#core/errors.ts';
import { createHttpSink } from '#adapters/broker/http-sink.ts';
import { testEventSink } from '../../contract/event-sink.ts';
import { startSubscriber } from '../../_support/event-subscriber.ts';
import { findFreePort, listenForTest } from '../../_support/listen-for-test.ts';

const EVENT = { id: '1', type: 't', source: '/s', subject: 'x', time: '2026-01-31T12:00:00Z', data: { a: 1 }, extensions: {} };

testEventSink(test, 'HTTP sink', async (t) => {
  const subscriber = await startSubscriber(t);
  let url = subscriber.url;
  const stop = async () => void (url = `http://127.0.0.1:${await findFreePort()}/gone`);
  return { sink: createHttpSink({ url: () => url }), received: subscriber.events, stop };
});

test('only 2xx is success; the message says where, what and which event, without secrets of the URL', async (t) => {
  let status = 200;
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume();
    response.writeHead(status, { location: '/elsewhere' }).end('some text');
  });
  const base = await listenForTest(t, server);
  const sink = createHttpSink({ url: `${base.replace('//', '//user:secret@')}/ns/broker?token=secret`.replace('user:secret@', '') });
  for (status of [200, 201, 202, 299]) await t.notThrowsAsync(sink.send(EVENT, { timeoutMs: 5000 }));
  for (status of [300, 301, 307, 400, 404, 413, 429, 500, 503]) {
    const error = await t.throwsAsync(sink.send(EVENT, { timeoutMs: 5000 }), { instanceOf: AgentError });
    t.like(error, { code: 'unavailable', message: `event sink ${base}/ns/broker answered ${status} to event 1 (t)` });
  }
  t.is(requests, 13, 'no redirect was followed');
});

test('a sink that does not answer in time is unavailable', async (t) => {
  const base = await listenForTest(
    t,
    createServer(() => undefined),
  );
  const error = await t.throwsAsync(createHttpSink({ url: base }).send(EVENT, { timeoutMs: 50 }), { instanceOf: AgentError });
  t.is(error?.message, `event sink ${base}/ did not take an event: no answer within 50 ms`);
});

test('many events to a sink that does not answer all end within their time', async (t) => {
  const base = await listenForTest(
    t,
    createServer(() => undefined),
  );
  const sink = createHttpSink({ url: base });
  const began = performance.now();
  const results = await Promise.allSettled(Array.from({ length: 100 }, () => sink.send(EVENT, { timeoutMs: 1000 })));
  t.true(results.every((result) => result.status === 'rejected' && result.reason instanceof AgentError));
  t.true(performance.now() - began < 1000 * 5, 'the wait for a place counts: 100 events at 16 a time would else take 7 timeouts');
});

test('an endless answer does not hold the sender', async (t) => {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200);
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    };
    response.on('drain', write);
    write();
  });
  await t.notThrowsAsync(createHttpSink({ url: await listenForTest(t, server) }).send(EVENT, { timeoutMs: 10_000 }));
});

test('given headers are sent, and can not replace the event', async (t) => {
  const subscriber = await startSubscriber(t);
  await createHttpSink({ url: subscriber.url, headers: { authorization: 'Bearer t', 'ce-id': 'other' } }).send(EVENT, { timeoutMs: 5000 });
  t.like(subscriber.headers[0], { authorization: 'Bearer t', 'ce-id': '1', 'content-type': 'application/json' });
});

test('a URL that is none is unavailable and not shown', async (t) => {
  const error = await t.throwsAsync(createHttpSink({ url: 'not a url' }).send(EVENT, { timeoutMs: 100 }), { instanceOf: AgentError });
  t.regex(error?.message ?? '', /its URL is not valid/);
});
