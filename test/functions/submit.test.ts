import test from 'ava';
import { EVENT_TYPES } from '#core/events.ts';
import { Problem, RunAccepted } from '#core/responses.ts';
import { addJob, change, claim, readJob } from '#test/_support/ledger.ts';
import { postEvent, postJson, startFunctions } from '#test/_support/functions.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const TITANIC = 'https://www.kaggle.com/competitions/titanic';

async function readProblem(response: Response): Promise<Problem> {
  return Problem.parse(await response.json());
}

test('a run is accepted with the fields of the original system and a link to its status', async (t) => {
  const { url, store } = await startFunctions(t);
  const response = await postJson(`${url}/run`, {
    kaggle_url: `${TITANIC}/overview`,
    priority: 3,
    resources: { cpu: '500m', memory: '1Gi' },
  });
  t.is(response.status, 201);
  const body = RunAccepted.parse(await response.json());
  t.is(body.status, 'pending');
  t.regex(body.created_at, /^\d{4}-.*Z$/);
  t.is(body.k8s_job_name, `kaggle-titanic-${body.job_id.slice(-8)}`);
  t.is(response.headers.get('location'), `/status/${body.job_id}`);
  const job = await readJob(store, body.job_id);
  t.like(job.options, { priority: 3, resources: { cpuMillis: 500, memoryMib: 1024 } });
});

test("every job has a trace: the caller's where it is one, else its own; its event carries it", async (t) => {
  const { url, store, sent } = await startFunctions(t);
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const submit = async (headers: Readonly<Record<string, string>>) => {
    const accepted = await postJson(`${url}/run`, { kaggle_url: TITANIC }, headers);
    return readJob(store, RunAccepted.parse(await accepted.json()).job_id);
  };
  t.is((await submit({ traceparent: given })).traceparent, given);
  const traces = new Set<string | null>();
  for (const wrong of ['', 'x', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, given.replace('00-', 'ff-'), `${given}-more`]) {
    const { traceparent } = await submit(wrong === '' ? {} : { traceparent: wrong });
    t.regex(traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    traces.add(traceparent);
  }
  t.is(traces.size, 5, 'each its own');
  await waitUntil('the events', () => sent.length === 6);
  t.deepEqual(new Set(sent.map((event) => event.extensions['traceparent'])), new Set([given, ...traces]));
});

test('the query form starts a job too, and both forms at once are refused', async (t) => {
  const { url } = await startFunctions(t);
  const query = `${url}/run?url=${encodeURIComponent(TITANIC)}`;
  t.is((await fetch(query, { method: 'POST' })).status, 201);
  const both = await postJson(query, { kaggle_url: TITANIC });
  t.is(both.status, 422);
  t.regex((await readProblem(both)).detail, /not both/);
  const neither = await fetch(`${url}/run`, { method: 'POST' });
  t.is(neither.status, 422);
  t.deepEqual(
    (await readProblem(neither)).errors.map((error) => error.pointer),
    ['/kaggle_url'],
  );
});

test('an address that is no competition is refused in the words of the original system', async (t) => {
  const { url } = await startFunctions(t);
  for (const bad of [
    'http://169.254.169.254/',
    'https://kaggle.com.evil.tld/c/x',
    'https://kaggle.com@evil/c/x',
    'file:///etc/passwd',
    'titanic',
  ]) {
    const response = await postJson(`${url}/run`, { kaggle_url: bad });
    t.is(response.status, 400, bad);
    t.is((await readProblem(response)).detail, 'URL must be a Kaggle competition URL');
  }
});

test('the same idempotency key and body give the first answer again, another body is refused', async (t) => {
  const { url, store } = await startFunctions(t);
  const headers = { 'idempotency-key': 'one' };
  const first = await postJson(`${url}/run`, { kaggle_url: TITANIC, priority: 1 }, headers);
  const again = await postJson(`${url}/run`, { priority: 1, kaggle_url: TITANIC, hint: null }, headers);
  t.is(first.headers.get('idempotency-replayed'), null);
  t.is(again.headers.get('idempotency-replayed'), 'true');
  t.is(again.status, 201);
  t.deepEqual(await again.json(), await first.json());
  const other = await postJson(`${url}/run`, { kaggle_url: TITANIC, priority: 2 }, headers);
  t.is(other.status, 422);
  t.is((await readProblem(other)).code, 'idempotency-mismatch');
  t.is((await store.countJobs(null)).pending, 1);
});

test('200 simultaneous runs are all accepted, once each; 50 with one key make one job', async (t) => {
  const { url, store } = await startFunctions(t);
  const burst = await Promise.all(Array.from({ length: 200 }, () => postJson(`${url}/run`, { kaggle_url: TITANIC })));
  t.true(burst.every((response) => response.status === 201));
  const ids = new Set(await Promise.all(burst.map(async (response) => RunAccepted.parse(await response.json()).job_id)));
  t.is(ids.size, 200);
  const same = await Promise.all(
    Array.from({ length: 50 }, () => postJson(`${url}/run`, { kaggle_url: TITANIC }, { 'idempotency-key': 'k' })),
  );
  const sameIds = new Set(await Promise.all(same.map(async (response) => RunAccepted.parse(await response.json()).job_id)));
  t.is(sameIds.size, 1);
  t.is((await store.countJobs(null)).pending, 201);
});

test('the event of a new job is sent after the answer, and a graceful stop waits for it', async (t) => {
  const gate = Promise.withResolvers<void>();
  const { url, sent, serving } = await startFunctions(t, { send: () => gate.promise });
  t.is((await postJson(`${url}/run`, { kaggle_url: TITANIC })).status, 201);
  t.is(sent.length, 0);
  const stopped = serving.stop();
  gate.resolve();
  t.true(await stopped);
  t.deepEqual(
    sent.map((event) => event.type),
    [EVENT_TYPES.submitted],
  );
});

test('a pending job is cancelled at once, a launched one is asked to stop, an ended one can not be cancelled', async (t) => {
  const { url, store, sent } = await startFunctions(t);
  const pending = await addJob(store);
  const cancelled = await fetch(`${url}/jobs/${pending.id}`, { method: 'DELETE' });
  t.is(cancelled.status, 200);
  t.like(await cancelled.json(), { job_id: pending.id, ended: true, status: 'cancelled' });
  const again = await fetch(`${url}/jobs/${pending.id}`, { method: 'DELETE' });
  t.is(again.status, 400);
  t.is((await readProblem(again)).detail, 'Job cannot be cancelled in status: cancelled');
  const launched = await addJob(store);
  await claim(store);
  t.like(await (await fetch(`${url}/jobs/${launched.id.toUpperCase()}`, { method: 'DELETE' })).json(), { ended: false, status: 'pending' });
  t.not((await readJob(store, launched.id)).cancelRequestedAt, null);
  await waitUntil('the cancelling event is sent', () => sent.some((event) => event.type === EVENT_TYPES.cancelling));
  const unknown = await fetch(`${url}/jobs/01920000-0000-7000-8000-000000000000`, { method: 'DELETE' });
  t.is(unknown.status, 404);
});

test('an event asks for a job exactly as POST /run does, and repeating it changes nothing', async (t) => {
  const { url, store } = await startFunctions(t);
  const event = { id: 'e1', source: '/ci', type: EVENT_TYPES.requested, data: { kaggle_url: TITANIC, priority: 7 } };
  const first = await postEvent(`${url}/events`, event);
  t.is(first.status, 204);
  t.is(await first.text(), '');
  t.is((await postEvent(`${url}/events`, event)).status, 204);
  t.is((await postEvent(`${url}/events`, { ...event, data: { kaggle_url: TITANIC, priority: 8 } })).status, 204);
  const job = await store.findJobByRequest('default', '/ci', 'e1');
  t.is(job?.options.priority, 7);
  t.is((await store.countJobs(null)).pending, 1);
  t.is((await store.readCounters())['request_event_mismatches'], 1);
});

test('structured and batched events are taken, and a batch with one wrong event applies nothing', async (t) => {
  const { url, store } = await startFunctions(t);
  const make = (id: string, data: unknown) => ({
    specversion: '1.0',
    id,
    source: '/ci',
    type: EVENT_TYPES.requested,
    datacontenttype: 'application/json',
    data,
  });
  const send = (body: unknown, type: string) =>
    fetch(`${url}/events`, { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify(body) });
  t.is((await send(make('s1', { kaggle_url: TITANIC }), 'application/cloudevents+json;charset=UTF-8')).status, 204);
  const batch = [make('b1', { kaggle_url: TITANIC }), make('b2', { kaggle_url: 'https://example.org' })];
  t.is((await send(batch, 'application/cloudevents-batch+json')).status, 400);
  t.is((await store.countJobs(null)).pending, 1);
  t.is(
    (await send([make('b1', { kaggle_url: TITANIC }), make('b3', { kaggle_url: TITANIC })], 'application/cloudevents-batch+json')).status,
    204,
  );
  t.is((await store.countJobs(null)).pending, 3);
});

test('an event cancels a job by its id or by the event that asked for it; an unknown one is to be sent again', async (t) => {
  const { url, store } = await startFunctions(t);
  await postEvent(`${url}/events`, { id: 'e9', source: '/ci', type: EVENT_TYPES.requested, data: { kaggle_url: TITANIC } });
  const cancel = (id: string, data: unknown) => postEvent(`${url}/events`, { id, source: '/ci', type: EVENT_TYPES.cancelRequested, data });
  t.is((await cancel('c0', { request_source: '/ci', request_id: 'other' })).status, 503);
  t.is((await cancel('c1', { job_id: '01920000-0000-7000-8000-000000000000' })).status, 503);
  t.is((await cancel('c2', { request_source: '/ci', request_id: 'e9' })).status, 204);
  const job = await store.findJobByRequest('default', '/ci', 'e9');
  t.is(job?.state, 'cancelled');
  t.is((await cancel('c3', { job_id: job?.id })).status, 204);
  t.is((await cancel('c4', { job: 1 })).status, 422);
});

test('an event of another type is refused for good', async (t) => {
  const { url } = await startFunctions(t);
  t.is((await postEvent(`${url}/events`, { id: 'x', source: '/ci', type: 'com.example.thing', data: {} })).status, 422);
});

test('a ledger that is down is 503 with Retry-After at both doors, and nothing of the inside is shown', async (t) => {
  const { url } = await startFunctions(t, {
    wrapStore: (store) => ({ ...store, insertJob: () => Promise.reject(new Error('password=secret')) }),
  });
  const run = await postJson(`${url}/run`, { kaggle_url: TITANIC });
  t.is(run.status, 500);
  t.notRegex(await run.text(), /secret/);
  const event = await postEvent(`${url}/events`, { id: 'e', source: '/ci', type: EVENT_TYPES.requested, data: { kaggle_url: TITANIC } });
  t.is(event.status, 503);
  t.truthy(event.headers.get('retry-after'));
});

test('another version of a job in the meantime does not break a cancel', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  const [response] = await Promise.all([fetch(`${url}/jobs/${job.id}`, { method: 'DELETE' }), change(store, job)]);
  t.is(response.status, 200);
  t.is((await readJob(store, job.id)).state, 'cancelled');
});
