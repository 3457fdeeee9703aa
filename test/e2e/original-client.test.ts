import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { LocalPlaneOptions } from '#local/plane.ts';
import { startTestPlane } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { OriginalClient, readJobId, readJobs } from './_original-client.ts';
import type { Reply } from './_original-client.ts';

const TITANIC = 'https://www.kaggle.com/competitions/titanic';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const ENDLESS = JSON.stringify({ steps: 100_000, msPerStep: 20 });
const TEN_COMPETITIONS = [
  'titanic',
  'house-prices-advanced-regression-techniques',
  'digit-recognizer',
  'spaceship-titanic',
  'nlp-getting-started',
  'store-sales-time-series-forecasting',
  'bike-sharing-demand',
  'playground-series-s4e1',
  'tabular-playground-series-aug-2022',
  'connectx',
].map((slug) => `https://www.kaggle.com/competitions/${slug}`);

async function startClient(t: ExecutionContext, options: Partial<LocalPlaneOptions> = {}): Promise<OriginalClient> {
  return new OriginalClient((await startTestPlane(t, options)).url);
}

async function waitForStatus(client: OriginalClient, id: string, wanted: string): Promise<Reply> {
  let last: Reply | null = null;
  try {
    return await waitUntil(`job ${id} is ${wanted}`, async () => {
      last = await client.status(id);
      return last.body['status'] === wanted && last;
    });
  } catch (error) {
    throw new Error(`job ${id} should be ${wanted}: ${JSON.stringify(last)}`, { cause: error });
  }
}

test.serial('POST /run answers 201 with the original fields, and 400 or 422 in the original words', async (t) => {
  const client = await startClient(t);
  const reply = await client.run({ kaggle_url: TITANIC, priority: 3, resources: { cpu: '2', memory: '4Gi' } });
  t.is(reply.status, 201);
  t.regex(readJobId(reply), UUID);
  t.is(reply.body['status'], 'pending');
  t.is(reply.body['k8s_job_name'], `kaggle-titanic-${readJobId(reply).slice(-8)}`);
  t.false(Number.isNaN(Date.parse(String(reply.body['created_at']))));
  t.is(typeof reply.body['message'], 'string');
  t.is((await client.run({ kaggle_url: TITANIC, priority: null, resources: null })).status, 201);

  const elsewhere = await client.run({ kaggle_url: 'https://example.com/competitions/titanic' });
  t.is(elsewhere.status, 400);
  t.regex(String(elsewhere.body['detail']), /^URL must be a Kaggle competition URL/);
  t.is((await client.run({})).status, 422);
  t.is((await client.run({ kaggle_url: 7 })).status, 422);
  t.is((await client.run({ kaggle_url: TITANIC, priority: 99_999_999_999 })).status, 422);
  t.is((await client.run({ kaggle_url: TITANIC, resources: { cpu: 'abc', memory: '2Gi' } })).status, 422);
});

test.serial('POST /run?url= does what the original only advertised', async (t) => {
  const client = await startClient(t);
  const reply = await client.request('POST', `/run?url=${encodeURIComponent(TITANIC)}`);
  t.is(reply.status, 201);
  const done = await waitForStatus(client, readJobId(reply), 'success');
  t.is(done.body['kaggle_url'], TITANIC);
});

test.serial(
  'a job is followed by polling to its submission: lower-case states, 400 while unfinished, then the file as an attachment',
  async (t) => {
    const client = await startClient(t, { cap: 1 });
    const blocker = readJobId(await client.run({ kaggle_url: TITANIC, hint: ENDLESS }));
    await waitForStatus(client, blocker, 'running');
    const id = readJobId(await client.run({ kaggle_url: TITANIC, priority: 2, resources: { cpu: '1', memory: '2Gi' } }));

    const pending = await client.submission(id);
    t.is(pending.status, 400);
    t.is(pending.body['detail'], 'Job is not complete. Current status: pending');
    const running = await client.submission(blocker);
    t.is(running.status, 400);
    t.is(running.body['detail'], 'Job is not complete. Current status: running');
    const live = await client.status(blocker);
    t.like(live.body['job_metadata'], { pod_phase: 'Running', priority: 0 });
    t.is(typeof live.body['k8s_pod_name'], 'string');

    t.is((await client.cancel(blocker)).status, 200);
    const { body } = await waitForStatus(client, id, 'success');
    t.like(body, {
      job_id: id,
      kaggle_url: TITANIC,
      competition_name: 'titanic',
      resources_requested: { cpu: '1', memory: '2Gi' },
      resources_used: { memory: '12Mi', run_seconds: '0.1' },
      job_metadata: { priority: 2 },
    });
    const times = ['created_at', 'queued_at', 'started_at', 'completed_at'].map((name) => Date.parse(String(body[name])));
    t.deepEqual(
      times,
      times.toSorted((left, right) => left - right),
    );
    t.is(typeof body['progress'], 'string');

    const file = await client.submission(id);
    t.is(file.status, 200);
    t.regex(file.headers.get('content-type') ?? '', /^text\/csv/);
    t.regex(file.headers.get('content-disposition') ?? '', /^attachment; filename="?submission\.csv"?/);
    t.truthy(file.headers.get('etag'));
    t.true(file.text.startsWith('id,y\n'));
    const cancelled = await client.submission(blocker);
    t.is(cancelled.status, 400);
    t.is(cancelled.body['detail'], 'Job is not complete. Current status: cancelled');
  },
);

test.serial('a job that nobody knows is 404 "Job … not found" at every door, whatever the id looks like', async (t) => {
  const client = await startClient(t);
  for (const id of [UNKNOWN, 'nonsense']) {
    for (const reply of [await client.status(id), await client.submission(id), await client.logs(id), await client.cancel(id)]) {
      t.is(reply.status, 404);
      t.is(reply.body['detail'], `Job ${id} not found`);
    }
  }
});

test.serial('GET /logs gives the last tail_lines lines, before the first line a sentence, and the same after the end', async (t) => {
  const client = await startClient(t, { cap: 1 });
  const first = readJobId(await client.run({ kaggle_url: TITANIC, hint: JSON.stringify({ logLines: 1500 }) }));
  await waitForStatus(client, first, 'success');
  const blocker = readJobId(await client.run({ kaggle_url: TITANIC, hint: ENDLESS }));
  await waitForStatus(client, blocker, 'running');
  const waiting = readJobId(await client.run({ kaggle_url: TITANIC }));
  const early = await client.logs(waiting);
  t.is(early.status, 200);
  t.is(early.body['logs'], 'Pod not yet created');

  const whole = await client.logs(first, '?tail_lines=100000');
  t.is(whole.status, 200);
  t.is(whole.body['job_id'], first);
  t.is(typeof whole.body['pod_name'], 'string');
  const lines = (reply: Reply) => String(reply.body['logs']).trimEnd().split('\n');
  t.is(lines(whole).length, 1501);
  t.is(lines(whole)[0], 'stub attempt 1 of titanic');
  t.deepEqual(lines(await client.logs(first, '?tail_lines=3')), ['line 1498', 'line 1499', 'line 1500']);
  t.is(lines(await client.logs(first)).length, 1000);
  t.is((await client.logs(first, '?tail_lines=many')).status, 422);
});

test.serial('GET /jobs filters by status and obeys limit also when filtering', async (t) => {
  const client = await startClient(t, { cap: 1 });
  const done = [];
  for (let index = 0; index < 3; index += 1) done.push(readJobId(await client.run({ kaggle_url: TITANIC })));
  for (const id of done) await waitForStatus(client, id, 'success');
  const blocker = readJobId(await client.run({ kaggle_url: TITANIC, hint: ENDLESS }));
  await waitForStatus(client, blocker, 'running');
  const waiting = readJobId(await client.run({ kaggle_url: TITANIC }));

  const ids = (reply: Reply) => readJobs(reply).map((job) => job['job_id']);
  const all = await client.jobs();
  t.is(all.status, 200);
  t.deepEqual(ids(all).toSorted(), [...done, blocker, waiting].toSorted());
  t.deepEqual(ids(await client.jobs('?status_filter=running')), [blocker]);
  t.deepEqual(ids(await client.jobs('?status_filter=pending')), [waiting]);
  t.deepEqual(ids(await client.jobs('?status_filter=success')).toSorted(), done.toSorted());
  const page = await client.jobs('?status_filter=success&limit=2');
  t.is(ids(page).length, 2);
  t.is(page.body['total'], 3);
  t.is(ids(await client.jobs('?limit=1')).length, 1);
  t.deepEqual(ids(await client.jobs('?status_filter=timeout')), []);
  t.is((await client.jobs('?status_filter=RUNNING')).status, 422);
  t.is((await client.jobs('?limit=-1')).status, 422);
});

test.serial('DELETE /jobs cancels a waiting and a running job for good, and is 400 once they are final', async (t) => {
  const client = await startClient(t, { cap: 1 });
  const running = readJobId(await client.run({ kaggle_url: TITANIC, hint: ENDLESS }));
  await waitForStatus(client, running, 'running');
  const waiting = readJobId(await client.run({ kaggle_url: TITANIC }));
  for (const id of [waiting, running]) {
    const reply = await client.cancel(id);
    t.is(reply.status, 200);
    t.is(reply.body['job_id'], id);
    t.is(typeof reply.body['message'], 'string');
    const { body } = await waitForStatus(client, id, 'cancelled');
    t.like(body, { error: { code: 'cancelled' } });
    const again = await client.cancel(id);
    t.is(again.status, 400);
    t.is(again.body['detail'], 'Job cannot be cancelled in status: cancelled');
  }
  const done = readJobId(await client.run({ kaggle_url: TITANIC }));
  await waitForStatus(client, done, 'success');
  t.is((await client.cancel(done)).body['detail'], 'Job cannot be cancelled in status: success');
});

test.serial('GET /health counts waiting and running jobs; GET /cluster/nodes names the machine; the API describes itself', async (t) => {
  const client = await startClient(t, { cap: 1 });
  const running = readJobId(await client.run({ kaggle_url: TITANIC, hint: ENDLESS }));
  await waitForStatus(client, running, 'running');
  for (let index = 0; index < 2; index += 1) await client.run({ kaggle_url: TITANIC });
  const health = await client.request('GET', '/health');
  t.is(health.status, 200);
  t.like(health.body, { status: 'healthy', pending_jobs: 2, running_jobs: 1 });
  t.like(health.body['services'], { api: 'healthy', database: 'healthy', kubernetes: 'healthy' });
  t.false(Number.isNaN(Date.parse(String(health.body['timestamp']))));
  t.is(typeof health.body['cluster_info'], 'object');

  const nodes = await client.request('GET', '/cluster/nodes');
  t.is(nodes.status, 200);
  t.is(nodes.body['total_nodes'], 1);
  t.regex(nodes.text, /"nodes":\[\{"name":"[^"]+","status":"Ready","capacity":\{.*"allocatable":\{.*"labels":\{/);
  t.is((await client.request('GET', '/openapi.json')).status, 200);
  t.is((await client.request('GET', '/docs')).status, 200);
});

test.serial(
  "the original's load test passes: 50 POSTs at once, ten competitions in rotation, priority i % 3; the first ten are polled to their end",
  async (t) => {
    const client = await startClient(t);
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        client.run({ kaggle_url: TEN_COMPETITIONS[index % TEN_COMPETITIONS.length], priority: index % 3 }),
      ),
    );
    t.deepEqual(new Set(replies.map((reply) => reply.status)), new Set([201]));
    const ids = replies.map(readJobId);
    t.is(new Set(ids).size, 50);
    t.is(new Set(replies.map((reply) => reply.body['k8s_job_name'])).size, 50);
    for (const id of ids.slice(0, 10)) await waitForStatus(client, id, 'success');
    for (const id of ids) await waitForStatus(client, id, 'success');
    t.is((await client.jobs('?status_filter=success')).body['total'], 50);
  },
);
