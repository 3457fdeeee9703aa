import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import test from 'ava';
import { postMessage } from '#adapters/broker/http-post.ts';
import { listenForTest } from '../../_support/listen-for-test.ts';

const MESSAGE = { headers: { 'content-type': 'application/json' }, body: '{"a":"ü"}', maxAnswerBytes: 1000 };

for (const { how, close, triesAnew } of [
  { how: 'closed', close: (socket: Socket) => socket.destroy(), triesAnew: 1 },
  { how: 'reset', close: (socket: Socket) => socket.resetAndDestroy(), triesAnew: 2 },
]) {
  test(`a kept connection that is ${how} when it is to be used again is replaced, once`, async (t) => {
    const ports: (number | undefined)[] = [];
    let isClosing = false;
    const server = createServer((request, response) => {
      request.resume().once('end', () => {
        ports.push(request.socket.remotePort);
        if (!isClosing) return void response.writeHead(202).end();
        isClosing = false;
        close(request.socket);
      });
    });
    const post = { ...MESSAGE, url: await listenForTest(t, server), signal: new AbortController().signal };
    for (let tries = 0; tries < 4; tries += 1) await postMessage(post);
    t.true(new Set(ports).size < 4, 'connections are kept');
    isClosing = true;
    t.is((await postMessage(post)).status, 202);
    t.is(ports.length, 6);
    t.true(ports.slice(0, 4).includes(ports[4]), 'it was tried on a kept connection');
  });

  test(`a new connection that is ${how} without an answer is an error`, async (t) => {
    let requests = 0;
    const server = createServer((request) => {
      requests += 1;
      close(request.socket);
    });
    const url = await listenForTest(t, server);
    const { signal } = new AbortController();
    await t.throwsAsync(postMessage({ ...MESSAGE, url, signal }));
    t.is(requests, triesAnew);
  });
}

test('an answer that breaks off is an error', async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
    setImmediate(() => response.destroy());
  });
  const url = await listenForTest(t, server);
  const { signal } = new AbortController();
  await t.throwsAsync(postMessage({ ...MESSAGE, url, signal }));
});

test('query and path are sent as they are, and as much of the answer as is wanted is read', async (t) => {
  const server = createServer((request, response) => void response.end(`${request.url} `.repeat(10)));
  const url = await listenForTest(t, server);
  const { signal } = new AbortController();
  const answer = await postMessage({ ...MESSAGE, url: `${url}/a/b?c=d%20e`, maxAnswerBytes: 16, signal });
  t.is(answer.body, '/a/b?c=d%20e /a/'.slice(0, 16));
});
