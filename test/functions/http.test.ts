import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import type { Route } from '#functions/http/app.ts';
import { JobListView, Problem } from '#core/responses.ts';
import { SILENT, postEvent, postJson, startFunctions } from '#test/_support/functions.ts';
import { EVENT_TYPES } from '#core/events.ts';
import { addJob } from '#test/_support/ledger.ts';
import { createHttpApp } from '#functions/http/app.ts';
import { createLifecycle } from '#functions/http/lifecycle.ts';
import { parseApiKeys } from '#functions/http/auth.ts';
import { readBodyText } from '#functions/http/body.ts';
import { readFunctionConfig } from '#functions/http/config.ts';
import { sendRaw } from '#test/_support/raw-request.ts';
import { serve } from '#functions/http/serve.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const TITANIC = 'https://www.kaggle.com/competitions/titanic';
const KEYS = `# keys\nalice ${sha256Hex('a-key')}\nbob ${sha256Hex('b-key')}\nops ${sha256Hex('o-key')} operator\n`;
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

test('every answer carries a request id, the given one when it is plain, and headers that lock browsers down', async (t) => {
  const { url } = await startFunctions(t);
  const own = await fetch(`${url}/nowhere`, { headers: { 'x-request-id': 'abc-1' } });
  t.is(own.headers.get('x-request-id'), 'abc-1');
  const problem = Problem.parse(await own.json());
  t.like(problem, { request_id: 'abc-1', code: 'not-found', type: '/docs/errors#not-found', retryable: false });
  t.is(own.headers.get('content-type'), 'application/problem+json; charset=utf-8');
  const odd = await fetch(`${url}/health`, { headers: { 'x-request-id': 'a b<script>' } });
  t.regex(odd.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  t.is(odd.headers.get('x-content-type-options'), 'nosniff');
  t.regex(odd.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  t.is(odd.headers.get('access-control-allow-origin'), null);
  t.is(odd.headers.get('x-powered-by'), null);
});

test('a known address with another method is 405 and names the methods', async (t) => {
  const { url } = await startFunctions(t);
  const response = await fetch(`${url}/run`);
  t.is(response.status, 405);
  t.is(response.headers.get('allow'), 'POST');
});

test('without keys, another host name is refused and so are web pages of other sites', async (t) => {
  const { url } = await startFunctions(t);
  for (const host of ['evil.example', '169.254.169.254', 'localhost.evil.example', '127.0.0.1.evil.example', 'a@127.0.0.1']) {
    t.is((await sendRaw(url, { path: '/jobs', headers: { host } })).status, 403, host);
  }
  for (const host of ['localhost', 'localhost:8000', '127.0.0.1:1', '[::1]:8000', 'plane.localhost']) {
    t.is((await sendRaw(url, { path: '/jobs', headers: { host } })).status, 200, host);
  }
  for (const origin of ['https://evil.example', 'null', 'file://', 'http://localhost.evil.example']) {
    t.is(
      (await sendRaw(url, { method: 'POST', path: `/run?url=${encodeURIComponent(TITANIC)}`, headers: { origin } })).status,
      403,
      origin,
    );
  }
  const page = await sendRaw(url, { path: '/jobs', headers: { origin: 'http://localhost:3000' } });
  t.is(page.headers['access-control-allow-origin'], 'http://localhost:3000');
});

test('configured hosts and origins are served, and a preflight of an allowed page is answered', async (t) => {
  const { url } = await startFunctions(t, { guard: { allowedHosts: ['.example.org'], allowedOrigins: ['https://app.example.org'] } });
  t.is((await sendRaw(url, { path: '/jobs', headers: { host: 'kaggle.example.org' } })).status, 200);
  const preflight = await sendRaw(url, {
    method: 'OPTIONS',
    path: '/run',
    headers: { origin: 'https://app.example.org', 'access-control-request-method': 'POST' },
  });
  t.is(preflight.status, 204);
  t.is(preflight.headers['access-control-allow-origin'], 'https://app.example.org');
});

test('with keys, only their owners are served, and a tenant never sees the jobs of another', async (t) => {
  const { url, store } = await startFunctions(t, { authenticator: parseApiKeys(KEYS) });
  const missing = await fetch(`${url}/jobs`);
  t.is(missing.status, 401);
  t.regex(missing.headers.get('www-authenticate') ?? '', /Bearer/);
  t.is((await fetch(`${url}/jobs`, { headers: bearer('wrong') })).status, 401);
  const mine = await addJob(store, { tenant: 'alice' });
  t.is((await fetch(`${url}/status/${mine.id}`, { headers: bearer('a-key') })).status, 200);
  t.is((await fetch(`${url}/status/${mine.id}`, { headers: { 'x-api-key': 'a-key' } })).status, 200);
  const paths = [
    `/status/${mine.id}`,
    `/jobs/${mine.id}/events`,
    `/jobs/${mine.id}/solutions`,
    `/result/${mine.id}`,
    `/result/${mine.id}/submission.csv`,
    `/logs/${mine.id}`,
  ];
  for (const path of paths) {
    const response = await fetch(`${url}${path}`, { headers: bearer('b-key') });
    t.is(response.status, 404, path);
    t.is(Problem.parse(await response.json()).detail, `Job ${mine.id} not found`);
  }
  t.is((await fetch(`${url}/jobs/${mine.id}`, { method: 'DELETE', headers: bearer('b-key') })).status, 404);
  t.is(JobListView.parse(await (await fetch(`${url}/jobs`, { headers: bearer('b-key') })).json()).total, 0);
  t.is((await fetch(`${url}/dead-letters`, { headers: bearer('a-key') })).status, 403);
  t.is((await fetch(`${url}/dead-letters`, { headers: bearer('o-key') })).status, 200);
  t.is((await fetch(`${url}/health`)).status, 200);
});

test('with keys, the event door needs one too, and the tenant comes from the key, not from the event', async (t) => {
  const { url, store } = await startFunctions(t, { authenticator: parseApiKeys(KEYS) });
  const event = { id: 'e1', source: '/ci', type: EVENT_TYPES.requested, data: { kaggle_url: TITANIC }, extensions: { tenant: 'bob' } };
  t.is((await postEvent(`${url}/events`, event)).status, 401);
  const headers = {
    ...bearer('a-key'),
    'ce-specversion': '1.0',
    'ce-id': 'e1',
    'ce-source': '/ci',
    'ce-type': event.type,
    'ce-tenant': 'bob',
  };
  t.is((await postJson(`${url}/events`, event.data, headers)).status, 204);
  t.not(await store.findJobByRequest('alice', '/ci', 'e1'), null);
  t.is(await store.findJobByRequest('bob', '/ci', 'e1'), null);
});

test('a key file with a wrong line, or none, stops the start', (t) => {
  t.throws(() => parseApiKeys('# nothing'), { message: /no key/ });
  t.throws(() => parseApiKeys('alice plain-key'), { message: /line 1/ });
  t.throws(() => parseApiKeys(`${KEYS}Alice! ${sha256Hex('x')}`), { message: /line 5/ });
});

test('a public function refuses to start without keys, except on loopback or for development', (t) => {
  const env = { KAGGLE_AGENT_DATABASE_URL: 'postgres://x', K_SERVICE: 'submit' };
  t.throws(() => readFunctionConfig(env, { isPublic: true }), { message: /API_KEYS_FILE is missing/ });
  t.is(readFunctionConfig({ ...env, KAGGLE_AGENT_PROFILE: 'dev' }, { isPublic: true }).host, '0.0.0.0');
  t.is(readFunctionConfig({ KAGGLE_AGENT_DATABASE_URL: 'postgres://x' }, { isPublic: true }).host, '127.0.0.1');
  t.throws(() => readFunctionConfig({ KAGGLE_AGENT_DATABASE_URL: 'mysql://x', PORT: '99999' }, { isPublic: false }), {
    message: /PORT.*DATABASE_URL/,
  });
  t.throws(() => readFunctionConfig(env, { isPublic: false }).require('storageUrl'), { message: /KAGGLE_AGENT_STORAGE_URL is missing/ });
});

test('a graceful stop lets a request finish, refuses new connections, and closes the parts last', async (t) => {
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const lifecycle = createLifecycle((error) => t.log(error));
  const route: Route = {
    method: 'get',
    path: '/slow',
    access: 'open',
    handle: async ({ res }) => {
      entered.resolve();
      await gate.promise;
      order.push('answered');
      res.end('done');
    },
  };
  const app = createHttpApp({ logger: SILENT, authenticator: null, guard: { allowedHosts: [], allowedOrigins: [] }, lifecycle }, [route]);
  const close = async () => void order.push('closed');
  const serving = await serve(app, { port: 0, host: '127.0.0.1', lifecycle, logger: SILENT, graceMs: 5_000, close: [close] });
  const slow = fetch(`${serving.url}/slow`);
  await entered.promise;
  const stopped = serving.stop();
  await t.throwsAsync(fetch(`${serving.url}/livez`));
  lifecycle.track(Promise.resolve().then(() => order.push('relayed')));
  gate.resolve();
  t.is(await (await slow).text(), 'done');
  t.true(await stopped);
  t.deepEqual(order.at(-1), 'closed');
  t.deepEqual(new Set(order), new Set(['relayed', 'answered', 'closed']));
});

test('a stop that can not finish in time says so', async (t) => {
  const entered = Promise.withResolvers<void>();
  const lifecycle = createLifecycle((error) => t.log(error));
  const route: Route = { method: 'get', path: '/stuck', access: 'open', handle: () => void entered.resolve() };
  const app = createHttpApp({ logger: SILENT, authenticator: null, guard: { allowedHosts: [], allowedOrigins: [] }, lifecycle }, [route]);
  const serving = await serve(app, { port: 0, host: '127.0.0.1', lifecycle, logger: SILENT, graceMs: 100, close: [] });
  const stuck = fetch(`${serving.url}/stuck`).catch(() => 'cut off');
  await entered.promise;
  t.false(await serving.stop());
  t.is(await stuck, 'cut off');
});

test('a port that is taken is an error, not a silence', async (t) => {
  const { serving, http } = await startFunctions(t);
  const again = serve(createHttpApp(http, []), {
    port: serving.port,
    host: '127.0.0.1',
    lifecycle: http.lifecycle,
    logger: SILENT,
    graceMs: 100,
    close: [],
  });
  await t.throwsAsync(again, { code: 'EADDRINUSE' });
});

test('a body that breaks off, and one without an end, fail their handler', async (t) => {
  const lifecycle = createLifecycle(() => undefined);
  const outcomes: Promise<string>[] = [];
  const http = { logger: SILENT, authenticator: null, guard: { allowedHosts: [], allowedOrigins: [] }, lifecycle };
  const handle: Route['handle'] = async ({ req }) => {
    const reading = readBodyText(req);
    outcomes.push(
      reading.then(
        () => 'read',
        (error: unknown) => (error instanceof Error ? error.message : 'odd'),
      ),
    );
    await reading;
  };
  const server = createHttpApp(http, [{ method: 'post', path: '/read', access: 'open', handle }]).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const post = (header: string) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(`POST /read HTTP/1.1\r\nHost: 127.0.0.1\r\n${header}\r\n\r\n`);
    return socket;
  };
  const half = post('Content-Length: 10');
  half.write('half');
  await waitUntil('the first request', () => outcomes.length === 1);
  half.destroy();
  t.not(await outcomes[0], 'read');
  const endless = post('Transfer-Encoding: chunked');
  for (let sent = 0; sent < 10; sent += 1) endless.write(`100000\r\n${'x'.repeat(0x10_0000)}\r\n`);
  await waitUntil('the second request', () => outcomes.length === 2);
  t.regex((await outcomes[1]) ?? '', /larger than 256 KiB/);
  endless.destroy();
});

test('bytes that are no HTTP get a problem and a closed connection', async (t) => {
  const { serving } = await startFunctions(t);
  for (const [bytes, status] of [
    ['\u0000\u0001garbage\r\n\r\n', '400'],
    [`GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, '431'],
  ] as const) {
    const socket = connect(serving.port, '127.0.0.1');
    socket.write(bytes);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    t.regex(answer, new RegExp(`^HTTP/1.1 ${status} .*problem\\+json`, 's'));
  }
});
