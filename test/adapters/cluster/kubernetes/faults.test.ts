import test from 'ava';
import type { V1Job } from '@kubernetes/client-node';
import { buildJob } from '#adapters/cluster/kubernetes/build-job.ts';
import { AgentError } from '#core/errors.ts';
import { RunnerError } from '#core/ports.ts';
import { makeOrder } from '#test/cluster/_harness.ts';
import { JOBS, refusal, startFakeApi } from './_fake-api.ts';
import type { Answer, SeenRequest } from './_fake-api.ts';

const order = makeOrder({ does: 'exit', code: 0 });
const LIST = '/apis/batch/v1/namespaces/runs/jobs';
const ONE = `${LIST}/${order.jobName}`;

/** The Job of an order, as a server would give it back. */
function storedJob(name = order.jobName, uid = 'uid-1'): V1Job {
  const job = buildJob(order, JOBS);
  return { ...job, metadata: { ...job.metadata, name, uid } };
}

const ok = (body: unknown): Answer => ({ status: 200, body });

const launches: readonly (readonly [string, Answer, 'busy' | 'refused', RegExp, number | null])[] = [
  [
    'a used-up quota',
    refusal(403, 'Forbidden', 'jobs.batch "x" is forbidden: exceeded quota: live, used: count/jobs.batch=20'),
    'busy',
    /quota of namespace runs/,
    null,
  ],
  [
    'a namespace being deleted',
    refusal(403, 'Forbidden', 'x is forbidden: unable to create new content in namespace runs because it is being terminated'),
    'busy',
    /being deleted/,
    null,
  ],
  ['a missing right', refusal(403, 'Forbidden', 'User "u" cannot create resource "jobs"'), 'refused', /operator's turn/, null],
  ['a missing namespace', refusal(404, 'NotFound', 'namespaces "runs" not found'), 'busy', /is not there/, null],
  ['an invalid Job', refusal(422, 'Invalid', 'Job.batch "x" is invalid: spec.template: bad'), 'refused', /spec\.template: bad/, null],
  ['a bad request', refusal(400, 'BadRequest', 'strict decoding error'), 'refused', /strict decoding/, null],
  ['an unknown account', { status: 401, body: {} }, 'busy', /token/, null],
  ['too many requests', { ...refusal(429, 'TooManyRequests', 'slow down'), headers: { 'retry-after': '7' } }, 'busy', /429/, 7_000],
  ['a server that stops', { status: 503, body: {}, headers: { 'retry-after': '1' } }, 'busy', /503/, 1_000],
  ['a conflict about the quota', refusal(409, 'Conflict', 'Operation cannot be fulfilled on resourcequotas "live"'), 'busy', /409/, null],
  ['a page that is no Status', { status: 502, body: 'Bad Gateway' }, 'busy', /502/, null],
  ['a connection that breaks', 'cut', 'busy', /can't be reached/, null],
];

for (const [what, answer, kind, words, retryAfterMs] of launches) {
  test(`a launch that meets ${what} is ${kind}`, async (t) => {
    const { runner } = await startFakeApi(t, ({ method }) => (method === 'POST' ? answer : refusal(404, 'NotFound', 'no')));
    const error = await t.throwsAsync(runner.create(order), { instanceOf: RunnerError });
    t.like(error, { kind, retryAfterMs });
    t.regex(error?.message ?? '', words);
  });
}

test('an error after the effect is busy, and looking the name up finds the Job', async (t) => {
  let stored: V1Job | null = null;
  const { runner } = await startFakeApi(t, ({ method }) => {
    if (method !== 'POST') return stored === null ? refusal(404, 'NotFound', 'no') : ok(stored);
    stored = storedJob();
    return refusal(500, 'InternalError', 'etcdserver: request timed out');
  });
  t.is((await t.throwsAsync(runner.create(order), { instanceOf: RunnerError }))?.kind, 'busy');
  t.like(await runner.observe(order.jobName), { uid: 'uid-1', specHash: order.specHash, phase: 'waiting', alive: true });
});

test('a Job that is there already is verified, and one that is gone again is busy', async (t) => {
  let there: V1Job | null = storedJob();
  const { runner } = await startFakeApi(t, ({ method }) => {
    if (method === 'POST') return refusal(409, 'AlreadyExists', 'jobs.batch already exists');
    return there === null ? refusal(404, 'NotFound', 'no') : ok(there);
  });
  t.is((await runner.create(order)).uid, 'uid-1');
  there = { ...there, metadata: { ...there.metadata, labels: {} } };
  t.is((await t.throwsAsync(runner.create(order), { instanceOf: RunnerError }))?.kind, 'mismatch');
  there = null;
  t.is((await t.throwsAsync(runner.create(order), { instanceOf: RunnerError }))?.kind, 'busy');
});

test('a half-open connection is given up in time, and the next call makes a new one', async (t) => {
  let silent = false;
  const { runner, requests } = await startFakeApi(t, () => (silent ? 'silence' : ok(storedJob())), { timeoutMs: 2000 });
  await runner.observe(order.jobName);
  await runner.observe(order.jobName);
  t.is(requests[0]?.connection, requests[1]?.connection, 'connections are kept');
  silent = true;
  const began = performance.now();
  const error = await t.throwsAsync(runner.observe(order.jobName), { instanceOf: AgentError });
  t.like(error, { code: 'unavailable', turn: 'retry' });
  t.regex(error?.message ?? '', /no answer from the Kubernetes API within 2000 ms/);
  t.is((await t.throwsAsync(runner.create(order), { instanceOf: RunnerError }))?.kind, 'busy');
  t.true(performance.now() - began < 30_000);
  silent = false;
  await runner.observe(order.jobName);
  t.not(requests.at(-1)?.connection, requests[0]?.connection);
});

/** Pages of two, of five Jobs; a page asked for by the token that `expired` names answers 410 once, with or without a token to go on. */
function pages(expired: string, freshToken: string | null): (request: SeenRequest) => Answer {
  const jobs = Array.from({ length: 5 }, (_, index) => storedJob(`job-${index}`, `uid-${index}`));
  let isExpired = true;
  return ({ query }) => {
    const token = query.get('continue');
    if (token === expired && isExpired) {
      isExpired = false;
      return refusal(410, 'Expired', 'The provided continue parameter is too old', freshToken === null ? {} : { continue: freshToken });
    }
    const start = Number(token?.replace('from-', '') ?? 0);
    const next = start + 2 < jobs.length ? { continue: `from-${start + 2}` } : {};
    return ok({ kind: 'JobList', apiVersion: 'batch/v1', metadata: next, items: jobs.slice(start, start + 2) });
  };
}

for (const [title, token, expected] of [
  ['goes on from the next key when the server says how', 'from-2', [0, 1, 2, 3, 4]],
  ['starts again from the beginning when it does not', null, [0, 1, 0, 1, 2, 3, 4]],
] as const) {
  test(`a page whose cursor has expired ${title}`, async (t) => {
    const { runner, requests } = await startFakeApi(t, pages('from-2', token));
    const names: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof runner.list>> = await runner.list({ cursor, limit: 2 });
      names.push(...page.items.map((item) => item.jobName));
      cursor = page.cursor;
    } while (cursor !== null);
    t.deepEqual(
      names,
      expected.map((index) => `job-${index}`),
    );
    t.true(requests.every((each) => each.query.get('labelSelector') === 'app.kubernetes.io/managed-by=kaggle-agent'));
  });
}

test('pods are asked for once a page, and only those of its Jobs', async (t) => {
  const { runner, requests } = await startFakeApi(
    t,
    ({ path }) =>
      path.endsWith('/pods') ? ok({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [] }) : pages('', null)(seen(path)),
    { readPods: true },
  );
  await runner.list({ cursor: null, limit: 2 });
  const asked = requests.filter((each) => each.path.endsWith('/pods'));
  t.is(asked.length, 1);
  t.is(asked[0]?.query.get('labelSelector'), 'app.kubernetes.io/managed-by=kaggle-agent,batch.kubernetes.io/job-name in (job-0,job-1)');
});

function seen(path: string): SeenRequest {
  return { method: 'GET', path, query: new URLSearchParams(), contentType: '', body: null, authorization: undefined, connection: 0 };
}

test('a launcher without the right to pods never asks for them', async (t) => {
  const { runner, requests } = await startFakeApi(t, ({ path }) =>
    path === ONE ? ok(storedJob()) : refusal(403, 'Forbidden', 'pods are forbidden'),
  );
  t.like(await runner.observe(order.jobName), { phase: 'waiting', alive: true, podName: null });
  t.deepEqual(
    requests.map((each) => each.path),
    [ONE],
  );
  t.is(requests[0]?.authorization, 'Bearer my-token');
});

test('a deletion is in the foreground and names the uid; gone or other is nothing', async (t) => {
  const answers: Answer[] = [ok({}), refusal(404, 'NotFound', 'no'), refusal(409, 'Conflict', 'uid'), refusal(500, 'InternalError', 'no')];
  const { runner, requests } = await startFakeApi(t, () => answers[requests.length - 1] ?? 'cut');
  for (let times = 0; times < 3; times += 1) await runner.remove({ jobName: order.jobName, uid: 'uid-1' });
  t.like(requests[0], { method: 'DELETE', path: ONE, body: { propagationPolicy: 'Foreground', preconditions: { uid: 'uid-1' } } });
  await t.throwsAsync(runner.remove({ jobName: order.jobName, uid: 'uid-1' }), { instanceOf: AgentError });
});

test('marking as recorded is a merge patch that names the uid; gone or other is nothing, a missing right is the operator’s', async (t) => {
  const answers: Answer[] = [
    ok({}),
    refusal(404, 'NotFound', 'no'),
    refusal(409, 'Conflict', 'uid'),
    refusal(422, 'Invalid', 'uid'),
    refusal(403, 'Forbidden', 'no'),
  ];
  const { runner, requests } = await startFakeApi(t, () => answers[requests.length - 1] ?? 'cut');
  for (let times = 0; times < 4; times += 1) await runner.markRecorded({ jobName: order.jobName, uid: 'uid-1' });
  t.like(requests[0], { method: 'PATCH', path: ONE, contentType: 'application/merge-patch+json' });
  t.like(requests[0]?.body, { metadata: { uid: 'uid-1' }, spec: { ttlSecondsAfterFinished: 30 } });
  const error = await t.throwsAsync(runner.markRecorded({ jobName: order.jobName, uid: 'uid-1' }), { instanceOf: AgentError });
  t.like(error, { code: 'unavailable', turn: 'operator' });
});
