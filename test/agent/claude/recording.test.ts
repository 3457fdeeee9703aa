import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { createClaude } from '#adapters/claude/client.ts';
import { API_KEY } from '#test/claude-server/server.ts';
import { startRecorder, startReplay } from '#test/claude-server/recorder.ts';
import { readRecording, scrub, writeRecording } from '#test/claude-server/recording.ts';
import { makeStore } from '#test/_support/agent-store.ts';
import { finish, listSolutions, makeExplorer, MODELS, NOTHING, plan, program, startServer } from './_explore.ts';

const json = (value: unknown) => ({ kind: 'json' as const, value });

test('a whole run is recorded on the wire, without keys, and runs the same from the recording', async (t) => {
  const { dir } = await makeStore(t);
  const server = await startServer(t, [
    { contains: ['You are the planner'], answer: { kind: 'error', status: 529, type: 'overloaded_error', retryAfterS: 0 } },
    { contains: ['You are the planner'], answer: json(plan('draft', 'one')) },
    { contains: ['Write a new program'], answer: json(program(2, { title: `One ${API_KEY}` })) },
    { contains: ['You are the planner'], answer: json(NOTHING), times: 2 },
  ]);
  const recorder = await startRecorder(t, server.url);
  const model = (baseUrl: string) => ({ client: createClaude({ apiKey: API_KEY, baseUrl }), table: MODELS });
  const first = await finish(t, { ...(await makeExplorer(t, server)), model: model(recorder.url) });
  const path = join(dir, 'recording.json');
  await writeRecording(path, recorder.exchanges);
  const text = await readFile(path, 'utf8');
  t.false(text.includes(API_KEY), 'no key, not even one in a reply');
  t.false(/authorization|x-api-key/i.test(text));
  const exchanges = await readRecording(path);
  t.true(exchanges.length >= server.requests.length);
  t.true(exchanges.some(({ status }) => status === 529));
  const replay = await startReplay(t, exchanges);
  const second = await finish(t, { ...(await makeExplorer(t, server)), model: model(replay.url) });
  const plain = (entries: typeof first.entries) => listSolutions(entries).map((line) => line.replace(API_KEY, 'sk-ant-removed'));
  t.deepEqual(plain(second.entries), plain(first.entries));
  t.is(second.manifest.cv?.score, first.manifest.cv?.score);
});

test('a replay fails for a request that was not recorded, and for answers that nobody asked for', async (t) => {
  const closing: (() => unknown)[] = [];
  const owner = { teardown: (close: () => unknown) => void closing.push(close), fail: (message: string) => t.fail(message) };
  const exchange = { path: '/v1/messages', request: { b: 1, a: [2] }, status: 200, contentType: 'application/json', response: '{}' };
  const { url } = await startReplay(owner, [exchange, exchange]);
  const post = (body: unknown) => fetch(`${url}/v1/messages`, { method: 'POST', body: JSON.stringify(body) });
  t.is((await post({ a: [2], b: 1 })).status, 200, 'whatever the order of members');
  t.is((await post({ a: [3], b: 1 })).status, 400);
  await closing[0]?.();
  t.throws(() => void closing[1]?.(), { message: /requests that were not recorded: .*\[3\]/ });
});

test('what looks like a key or names an account does not get into a recording', async (t) => {
  t.is(scrub('x sk-ant-api03-Ab_c-12345678 y'), 'x sk-ant-removed y');
  t.is(scrub('{"organization_id": "o-1","a":1}'), '{"organization_id":"removed","a":1}');
  const { dir } = await makeStore(t);
  const exchange = { path: '/', request: {}, status: 200, contentType: '', response: 'sk-ant-short' };
  await t.throwsAsync(writeRecording(join(dir, 'x.json'), [exchange]), { message: /a key would be in/ });
});
