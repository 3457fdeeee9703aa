import test from 'ava';
import { AgentError } from '#core/errors.ts';
import { DEFAULT_LIMITS, RunRequest, resolveOptions } from '#core/requests.ts';
import { readRequest } from '#core/use-cases/submit.ts';

const URL = 'https://www.kaggle.com/competitions/titanic';
const read = (body: unknown) => readRequest(body, DEFAULT_LIMITS);

test('a bare URL gets every default of the protocol', (t) => {
  const { slug, options } = read({ kaggle_url: URL });
  t.is(slug, 'titanic');
  t.deepEqual(options, {
    priority: 0,
    resources: { cpuMillis: 1000, memoryMib: 2048 },
    timeLimitS: 3600,
    budgetUsd: 2,
    llm: 'auto',
    hint: null,
    submitToKaggle: false,
    task: null,
  });
});

test('nulls mean the default, as in the original system', (t) => {
  t.deepEqual(read({ kaggle_url: URL, priority: null, resources: null, hint: null }).options, read({ kaggle_url: URL }).options);
});

test('what the caller says of the task is kept, and what it does not say is left to be found out', (t) => {
  const task = { shape: 'time', time_column: 'week', allow_data_leaks: true };
  t.deepEqual(read({ kaggle_url: URL, task }).options.task, {
    shape: 'time',
    groupColumn: null,
    timeColumn: 'week',
    oneRowAtATime: null,
    allowDataLeaks: true,
  });
  t.throws(() => read({ kaggle_url: URL, task: { shape: 'circles' } }), { instanceOf: AgentError });
  t.throws(() => read({ kaggle_url: URL, task: { fold: 3 } }), { instanceOf: AgentError });
});

test('a tier names a size; tier and resources together are refused', (t) => {
  t.is(read({ kaggle_url: URL, tier: 'large' }).options.resources.memoryMib, 16_384);
  t.throws(() => read({ kaggle_url: URL, tier: 'small', resources: {} }), { instanceOf: AgentError, message: /not both/ });
});

test('every violated bound is named, not only the first', (t) => {
  const request = RunRequest.parse({ kaggle_url: URL, resources: { cpu: '99', memory: '1Ti' }, time_limit_s: 9999, budget_usd: 1000 });
  const resolved = resolveOptions(request, DEFAULT_LIMITS);
  t.deepEqual('violations' in resolved && resolved.violations.map(({ pointer }) => pointer), [
    '/resources/cpu',
    '/resources/memory',
    '/time_limit_s',
    '/budget_usd',
  ]);
});

test('sizes too small to run anything are refused', (t) => {
  const error = t.throws(() => read({ kaggle_url: URL, resources: { cpu: '1m', memory: '1Mi' } }), { instanceOf: AgentError });
  t.is(error.status, 422);
  t.is(error.details.length, 2);
});

const WRONG: readonly (readonly [string, unknown, number])[] = [
  ['priority beyond int32', { kaggle_url: URL, priority: 99_999_999_999 }, 422],
  ['a cpu that is no quantity', { kaggle_url: URL, resources: { cpu: 'abc' } }, 422],
  ['an unknown member', { kaggle_url: URL, cmd: 'rm' }, 422],
  ['no url', {}, 422],
  ['a list', [], 422],
  ['nothing', undefined, 422],
  ['another host', { kaggle_url: 'https://evil.example/competitions/titanic' }, 400],
  ['a look-alike host', { kaggle_url: 'https://kaggle.com.evil.example/competitions/titanic' }, 400],
  ['the host in the path', { kaggle_url: 'https://evil.example/?kaggle.com/competitions/titanic' }, 400],
];
for (const [what, body, status] of WRONG) {
  test(`refused with ${status}: ${what}`, (t) => {
    const error = t.throws(() => read(body), { instanceOf: AgentError });
    t.is(error.status, status);
    t.is(error.turn, 'caller');
    if (status === 400) t.is(error.message, 'URL must be a Kaggle competition URL');
  });
}
