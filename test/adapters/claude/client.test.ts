import test from 'ava';
import type { ModelRequest } from '#core/language-model.ts';
import { ModelError } from '#core/language-model.ts';
import { createClaude } from '#adapters/claude/client.ts';
import { API_KEY, startClaudeServer } from '#test/claude-server/server.ts';

const LONG = 'what stays the same '.repeat(400);

function request(change: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: 'claude-test',
    system: [LONG, 'the task'],
    user: 'what is asked',
    maxTokens: 500,
    effort: 'low',
    schema: { type: 'object', properties: {}, additionalProperties: false },
    keepFor: '5m',
    ...change,
  };
}

const options = () => ({ signal: new AbortController().signal, timeoutMs: 10_000 });

test('a question is streamed with its schema, and comes back with text and usage', async (t) => {
  const server = await startClaudeServer(t, [
    { contains: ['what is asked'], model: 'claude-test', answer: { kind: 'json', value: { a: 1 } } },
  ]);
  const claude = createClaude({ apiKey: API_KEY, baseUrl: server.url });
  const reply = await claude.ask(request(), options());
  t.is(reply.end, 'complete');
  t.deepEqual(JSON.parse(reply.text), { a: 1 });
  t.like(reply.usage, { cacheWrite1h: 0, cacheRead: 0 });
  t.true(reply.usage.cacheWrite5m > 1_900 && reply.usage.output > 0);
  const [seen] = server.requests;
  t.like(seen?.body, { max_tokens: 500, stream: true, output_config: { effort: 'low' } });
  t.is(seen?.headers['anthropic-version'], '2026-10-21');
  t.false(JSON.stringify(seen?.bytes).includes(API_KEY));
});

test('what stays the same is read from the cache from the second call on, for each model apart', async (t) => {
  const server = await startClaudeServer(t);
  server.answerRest(() => ({ kind: 'json', value: {} }));
  const claude = createClaude({ apiKey: API_KEY, baseUrl: server.url });
  const first = await claude.ask(request({ keepFor: '1h' }), options());
  t.true(first.usage.cacheWrite1h > 1_900 && first.usage.cacheWrite5m === 0);
  const second = await claude.ask(request({ keepFor: '1h', user: 'something else' }), options());
  t.true(second.usage.cacheRead > 1_900 && second.usage.cacheWrite1h === 0);
  const other = await claude.ask(request({ model: 'claude-other' }), options());
  t.is(other.usage.cacheRead, 0);
});

for (const [stop, end] of [
  ['end_turn', 'complete'],
  ['max_tokens', 'cut'],
  ['pause_turn', 'cut'],
  ['model_context_window_exceeded', 'cut'],
  ['refusal', 'refused'],
] as const) {
  test(`a reply that stops with ${stop} is ${end}`, async (t) => {
    const server = await startClaudeServer(t, [{ answer: { kind: 'text', text: 'words', stop } }]);
    const reply = await createClaude({ apiKey: API_KEY, baseUrl: server.url }).ask(request(), options());
    t.is(reply.end, end);
  });
}

test('a tool instead of an answer is cut', async (t) => {
  const server = await startClaudeServer(t, [{ answer: { kind: 'tool', name: 'run', input: { command: 'ls' } } }]);
  const reply = await createClaude({ apiKey: API_KEY, baseUrl: server.url }).ask(request(), options());
  t.like(reply, { end: 'cut', text: '' });
});

for (const [title, answer, failure, mayCost, retryAfterMs] of [
  ['a payment that is due', { kind: 'error', status: 402, type: 'billing_error' }, 'payment', false, null],
  ['a forbidden key', { kind: 'error', status: 403, type: 'permission_error' }, 'key', false, null],
  ['too many requests', { kind: 'error', status: 429, type: 'rate_limit_error', retryAfterS: 7 }, 'busy', false, 7_000],
  ['a fault of the server', { kind: 'error', status: 500, type: 'api_error' }, 'busy', false, null],
  ['an overload', { kind: 'error', status: 529, type: 'overloaded_error' }, 'busy', false, null],
  ['a request that is too large', { kind: 'error', status: 413, type: 'request_too_large' }, 'too-long', false, null],
  ['a request that is refused', { kind: 'error', status: 400, type: 'invalid_request_error' }, 'request', false, null],
  ['an unknown model', { kind: 'error', status: 404, type: 'not_found_error' }, 'request', false, null],
  ['a connection that breaks', { kind: 'reset' }, 'network', true, null],
  ['a reply that breaks off', { kind: 'drop', text: 'half of it' }, 'network', true, null],
  ['a reply that is none', { kind: 'garbage', body: 'event: nothing\ndata: {"type":' }, 'network', true, null],
] as const) {
  test(`${title}: ${failure}${mayCost ? ', and may cost' : ''}; it is not tried again here`, async (t) => {
    const server = await startClaudeServer(t, [{ answer }]);
    const error = await t.throwsAsync(createClaude({ apiKey: API_KEY, baseUrl: server.url }).ask(request(), options()), {
      instanceOf: ModelError,
    });
    t.like(error, { failure, mayCost, retryAfterMs });
    t.is(server.requests.length, 1);
    t.false(`${error?.message}`.includes('what is asked'));
  });
}

test('a wrong key is said to be one, and is not shown', async (t) => {
  const server = await startClaudeServer(t);
  const error = await t.throwsAsync(createClaude({ apiKey: 'sk-wrong-999', baseUrl: server.url }).ask(request(), options()), {
    instanceOf: ModelError,
  });
  t.like(error, { failure: 'key', mayCost: false });
  t.false(`${error?.message} ${error?.stack}`.includes('sk-wrong-999'));
});

test('a call that hangs ends when its time is over, or when it is stopped, and may cost', async (t) => {
  const server = await startClaudeServer(t, [{ answer: { kind: 'hang' }, times: 2 }]);
  const claude = createClaude({ apiKey: API_KEY, baseUrl: server.url });
  const late = await t.throwsAsync(claude.ask(request(), { ...options(), timeoutMs: 300 }), { instanceOf: ModelError });
  t.true(late?.mayCost);
  const stop = new AbortController();
  const asked = claude.ask(request(), { signal: stop.signal, timeoutMs: 60_000 });
  await server.arrived(2);
  stop.abort();
  t.like(await t.throwsAsync(asked, { instanceOf: ModelError }), { failure: 'stopped', mayCost: true });
});

test('tokens are counted where the API offers it; elsewhere nobody knows', async (t) => {
  const server = await startClaudeServer(t);
  const counted = await createClaude({ apiKey: API_KEY, baseUrl: server.url }).countTokens(request(), options());
  t.true((counted ?? 0) > 1_900);
  const without = await startClaudeServer(t, [], { countsTokens: false });
  t.is(await createClaude({ apiKey: API_KEY, baseUrl: without.url }).countTokens(request(), options()), null);
});
