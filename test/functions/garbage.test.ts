import test from 'ava';
import type { ExecutionContext } from 'ava';
import { EVENT_TYPES } from '#core/events.ts';
import { Problem } from '#core/responses.ts';
import { sendRaw } from '#test/_support/raw-request.ts';
import { startFunctions } from '#test/_support/functions.ts';
import { startInternalFunctions } from '#test/_support/internal-functions.ts';

const ID = '01920000-0000-7000-8000-000000000000';
const JSON_TYPE = { 'content-type': 'application/json' };
const RUN = '{"kaggle_url":"https://www.kaggle.com/competitions/titanic"}';
const CE = { ...JSON_TYPE, 'ce-specversion': '1.0', 'ce-id': 'g', 'ce-source': '/g', 'ce-type': EVENT_TYPES.requested };
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

type Door = 'public' | 'launcher' | 'collector' | 'dead-letter';

interface Garbage {
  readonly what: string;
  readonly door?: Door;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly status: number;
}

const run = (what: string, body: string | Buffer, status: number, headers: Garbage['headers'] = JSON_TYPE): Garbage => ({
  what,
  method: 'POST',
  path: '/run',
  headers,
  body,
  status,
});
const member = (what: string, text: string, status = 422): Garbage => run(what, `${RUN.slice(0, -1)},${text}}`, status);
const get = (what: string, path: string, status: number, headers: Garbage['headers'] = {}): Garbage => ({ what, path, headers, status });
const event = (what: string, body: string | Buffer, status: number, headers: Garbage['headers'] = CE): Garbage => ({
  what,
  method: 'POST',
  path: '/events',
  headers,
  body,
  status,
});
const at = (door: Door, what: string, body: string, status: number, headers: Garbage['headers'] = CE): Garbage => ({
  what,
  door,
  method: 'POST',
  path: '/',
  headers,
  body,
  status,
});

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const NOT_UTF8 = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]);

const CASES: readonly Garbage[] = [
  run('an empty object', '{}', 422),
  run('half of a JSON object', '{"kaggle_url":', 400),
  run('text', 'kaggle_url=x', 400),
  run('an array', '[1]', 422),
  run('null', 'null', 422),
  run('a number', '7', 422),
  run('bytes that are not UTF-8', NOT_UTF8, 400),
  run('deep JSON', nested(100_000), 422),
  run('deep JSON in a member', `{"kaggle_url":${nested(1000)}}`, 422),
  run('300 KiB', JSON.stringify({ kaggle_url: 'x'.repeat(300 * 1024) }), 413),
  run('3 MiB', JSON.stringify({ kaggle_url: 'x'.repeat(3 * 1024 * 1024) }), 413),
  run('a form', 'kaggle_url=x', 415, { 'content-type': 'application/x-www-form-urlencoded' }),
  run('plain text', RUN, 415, { 'content-type': 'text/plain' }),
  run('a content type that is none', RUN, 415, { 'content-type': ';;;' }),
  run('a compressed body', RUN, 415, { ...JSON_TYPE, 'content-encoding': 'gzip' }),
  run('a key with spaces at its ends', RUN, 400, { ...JSON_TYPE, 'idempotency-key': 'x'.repeat(300) }),
  run('an empty key', RUN, 400, { ...JSON_TYPE, 'idempotency-key': '' }),
  run('a URL that is a number', '{"kaggle_url":7}', 422),
  run('an empty URL', '{"kaggle_url":""}', 422),
  run('a URL of 10 KB', JSON.stringify({ kaggle_url: `https://www.kaggle.com/competitions/${'a'.repeat(10_000)}` }), 422),
  run('a slug of 200 letters', JSON.stringify({ kaggle_url: `https://www.kaggle.com/competitions/${'a'.repeat(200)}` }), 400),
  run('another host', '{"kaggle_url":"https://kaggle.com.evil.example/c/x"}', 400),
  run('a look-alike host', '{"kaggle_url":"https://www.k\u0430ggle.com/competitions/titanic"}', 400),
  run('a path upwards', '{"kaggle_url":"https://www.kaggle.com/competitions/titanic/../../evil"}', 400),
  run('a URL with a NUL', '{"kaggle_url":"https://www.kaggle.com/competitions/titanic\\u0000"}', 422),
  run('broken Unicode', '{"kaggle_url":"https://www.kaggle.com/competitions/titanic","hint":"\\ud800"}', 422),
  run('a member with a NUL in its name', '{"a\\u0000b":1}', 422),
  run('a prototype', `${RUN.slice(0, -1)},"__proto__":{"x":1}}`, 422),
  run('an unknown member', `${RUN.slice(0, -1)},"gpu":1}`, 422),
  member('a priority beyond 32 bits', '"priority":99999999999'),
  member('a priority with a fraction', '"priority":1.5'),
  member('a priority that is text', '"priority":"high"'),
  member('a cpu that is no quantity', '"resources":{"cpu":"abc"}'),
  member('a cpu of 0', '"resources":{"cpu":"0"}'),
  member('more cpu than there is', '"resources":{"cpu":"1000"}'),
  member('a memory that is no quantity', '"resources":{"memory":"lots"}'),
  member('a memory of one byte', '"resources":{"memory":"1"}'),
  member('a resource nobody knows', '"resources":{"gpu":"1"}'),
  member('resources that are text', '"resources":"big"'),
  member('tier and resources', '"tier":"small","resources":{"cpu":"1"}'),
  member('a time limit below the least', '"time_limit_s":1'),
  member('a time limit beyond the most', '"time_limit_s":999999'),
  member('a negative budget', '"budget_usd":-1'),
  member('a budget of 1e308', '"budget_usd":1e308'),
  member('an llm nobody knows', '"llm":"yes"'),
  member('a hint of 3000 letters', `"hint":"${'x'.repeat(3000)}"`),
  { what: 'two URLs in the query', method: 'POST', path: '/run?url=a&url=b', status: 422 },
  { what: 'an empty URL in the query', method: 'POST', path: '/run?url=', status: 422 },
  { what: 'a NUL in the query URL', method: 'POST', path: '/run?url=%00', status: 422 },
  { what: 'PUT /run', method: 'PUT', path: '/run', status: 405 },
  { what: 'PATCH /jobs', method: 'PATCH', path: '/jobs', status: 405 },
  { what: 'DELETE of no id', method: 'DELETE', path: '/jobs/x', status: 404 },
  { what: 'TRACE', method: 'TRACE', path: '/jobs', status: 405 },
  get('an address nobody knows', '/nowhere', 404),
  get('an id upwards', '/status/..%2f..%2fetc%2fpasswd', 404),
  get('an id with a NUL', '/status/%00', 404),
  get('an id with quotes', "/status/'%20OR%201=1--", 404),
  get('an id of 4 KB', `/status/${'a'.repeat(4096)}`, 404),
  get('a broken escape', '/status/%E0%A4%A', 400),
  get('an id with line ends', '/status/a%0d%0aset-cookie:x', 404),
  get('a wait that is text', `/status/${ID}?wait=long`, 422),
  get('a wait too long', `/status/${ID}?wait=999`, 422),
  get('two waits', `/status/${ID}?wait=1&wait=2`, 422),
  get('a limit of 0', '/jobs?limit=0', 422),
  get('a limit of -1', '/jobs?limit=-1', 422),
  get('a limit of 501', '/jobs?limit=501', 422),
  get('a limit of 1e3', '/jobs?limit=1e3', 422),
  get('a state nobody knows', '/jobs?status_filter=done', 422),
  get('a cursor that is not ours', '/jobs?cursor=AAAA', 400),
  get('a cursor with a NUL', '/jobs?cursor=%00', 422),
  get('a request id with a NUL', '/jobs?request_source=%00&request_id=x', 422),
  get('half of a request', '/jobs?request_source=x', 422),
  get('events of no id', '/jobs/x/events', 404),
  get('a last event id that is text', `/jobs/${ID}/events`, 404, { 'last-event-id': 'x' }),
  get('solutions of nobody', `/jobs/${ID}/solutions`, 404),
  get('a solution that is text', `/jobs/${ID}/solutions/x`, 404),
  get('a result of nobody', `/result/${ID}`, 404),
  get('a file upwards', `/result/${ID}/..%2f..%2fx`, 404),
  get('a best that is neither', `/result/${ID}/submission.csv?best=maybe`, 404),
  get('tail_lines that is text', `/logs/${ID}?tail_lines=all`, 422),
  get('tail_lines beyond the most', `/logs/${ID}?tail_lines=99999999999`, 422),
  get('attempt 0', `/logs/${ID}?attempt=0`, 422),
  get('a follow that is neither', `/logs/${ID}?follow=maybe`, 422),
  get('a limit of dead letters', '/dead-letters?limit=x', 422),
  { what: 'a redrive of nobody', method: 'POST', path: '/dead-letters/x/redrive', status: 404 },
  get('a file of the dashboard upwards', '/dashboard/..%2fpackage.json', 404),
  get('a file of the docs that is not named', '/docs/package.json', 404),
  event('no event at all', '{}', 400, JSON_TYPE),
  event('nothing', '', 400, {}),
  event('a CloudEvent without source', RUN, 400, { ...JSON_TYPE, 'ce-specversion': '1.0', 'ce-id': 'g', 'ce-type': 'x' }),
  event('a CloudEvent of version 2', RUN, 400, { ...CE, 'ce-specversion': '2.0' }),
  event('an empty id', RUN, 400, { ...CE, 'ce-id': '' }),
  event('a type nobody takes', RUN, 422, { ...CE, 'ce-type': 'com.example.x' }),
  event('data that is no JSON', '{', 400),
  event('data that is no request', '{"x":1}', 422),
  event('data that is null', 'null', 422),
  event('a URL that is no competition', '{"kaggle_url":"https://example.org"}', 400),
  event('data of 300 KiB', JSON.stringify({ kaggle_url: 'x'.repeat(300 * 1024) }), 413),
  event('data that is not UTF-8', NOT_UTF8, 400),
  event('a compressed event', RUN, 415, { ...CE, 'content-encoding': 'br' }),
  event('a cancel of nothing', '{}', 422, { ...CE, 'ce-type': EVENT_TYPES.cancelRequested }),
  event('a cancel of an id that is none', '{"job_id":"x"}', 422, { ...CE, 'ce-type': EVENT_TYPES.cancelRequested }),
  event('a structured event that is text', '"x"', 400, STRUCTURED),
  event('a structured event without type', '{"specversion":"1.0","id":"1","source":"/x"}', 400, STRUCTURED),
  event(
    'deep structured data',
    `{"specversion":"1.0","id":"1","source":"/x","type":"${EVENT_TYPES.requested}","data":${nested(5000)}}`,
    400,
    STRUCTURED,
  ),
  event(
    'an event with a NUL',
    `{"specversion":"1.0","id":"a\\u0000","source":"/x","type":"${EVENT_TYPES.requested}","data":{}}`,
    400,
    STRUCTURED,
  ),
  event('a batch that is an object', '{}', 400, BATCH),
  event('a batch with a number', '[1]', 400, BATCH),
  event(
    'a batch of 500 events',
    JSON.stringify(Array.from({ length: 500 }, (_, id) => ({ specversion: '1.0', id: String(id), source: '/x', type: 'x' }))),
    400,
    BATCH,
  ),
  at('launcher', 'no event', 'x', 400, JSON_TYPE),
  at('launcher', 'data that is no JSON', '{', 400, { ...CE, 'ce-type': EVENT_TYPES.submitted }),
  { what: 'GET of the launcher', door: 'launcher', path: '/tick', status: 405 },
  at('collector', 'no event', '', 400, {}),
  at('collector', 'a type nobody takes', '{}', 422),
  at('collector', 'a hint without attempt', `{"job_id":"${ID}"}`, 422, { ...CE, 'ce-type': EVENT_TYPES.progressed }),
  at('collector', 'a hint of attempt 1e99', `{"job_id":"${ID}","attempt":1e99,"seq":1}`, 422, { ...CE, 'ce-type': EVENT_TYPES.progressed }),
  at(
    'collector',
    'a reference with a name of 300 letters',
    JSON.stringify({ apiVersion: 'v1', kind: 'Job', name: 'x'.repeat(300), namespace: 'x' }),
    422,
    { ...CE, 'ce-type': EVENT_TYPES.clusterAdded },
  ),
  at('dead-letter', 'no event', '[]', 400, JSON_TYPE),
  at('dead-letter', 'a letter of 300 KiB', JSON.stringify('x'.repeat(300 * 1024)), 413),
];

async function startDoors(t: ExecutionContext) {
  const functions = await startFunctions(t);
  const internal = await startInternalFunctions(t, functions);
  const urls: Record<Door, string> = {
    public: functions.url,
    launcher: internal.launcherUrl,
    collector: internal.collectorUrl,
    'dead-letter': functions.deadLetterUrl,
  };
  return { functions, urls };
}

test(`${CASES.length} kinds of garbage are each a clear refusal, and leave nothing behind`, async (t) => {
  const { functions, urls } = await startDoors(t);
  for (const garbage of CASES) {
    const { what, door = 'public', method = 'GET', path } = garbage;
    const name = `${door}: ${what} (${method} ${path.slice(0, 60)})`;
    const answer = await sendRaw(urls[door], garbage);
    t.is(answer.status, garbage.status, `${name}: ${answer.body.slice(0, 300)}`);
    t.is(answer.headers['content-type'], 'application/problem+json; charset=utf-8', name);
    const problem = Problem.parse(JSON.parse(answer.body));
    t.is(problem.status, garbage.status, name);
    t.true(problem.detail.length > 10 && problem.detail.length < 1500, name);
    t.notRegex(problem.detail, /[\u0000-\u001f]|\.ts:\d|node:|at async/, name);
    t.not(problem.request_id, '', name);
  }
  const counts = await functions.store.countJobs(null);
  t.is(
    Object.values(counts).reduce((sum, count) => sum + count, 0),
    0,
    'no job was made',
  );
  t.is((await functions.store.listDeadLetters({ limit: 10 })).length, 0, 'no dead letter was made');
  t.is((await fetch(`${functions.url}/health`)).status, 200);
  t.is((await fetch(`${functions.url}/run?url=${encodeURIComponent('https://www.kaggle.com/c/titanic')}`, { method: 'POST' })).status, 201);
});

test('garbage from many sides at once keeps every process healthy', async (t) => {
  const { functions, urls } = await startDoors(t);
  const answers = await Promise.all([...CASES, ...CASES].map((garbage) => sendRaw(urls[garbage.door ?? 'public'], garbage)));
  t.true(answers.every((answer) => answer.status >= 400 && answer.status < 500));
  t.is((await fetch(`${functions.url}/health`)).status, 200);
});
