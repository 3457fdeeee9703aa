import test from 'ava';
import { createParser } from 'eventsource-parser';
import type { ExecutionContext } from 'ava';
import type { Job } from '#core/job.ts';
import { JobResult } from '#core/job.ts';
import { buildJobView } from '#functions/http/job-view.ts';
import type { JobStore } from '#core/ports.ts';
import { HealthView, HistoryLine, JobListView, JobView, SolutionDetail, SolutionListView } from '#core/responses.ts';
import { addJob, change, makeSolution, readJob } from '#test/_support/ledger.ts';
import { keys } from '#core/names.ts';
import { FEED_INTERVAL_MS, startFunctions } from '#test/_support/functions.ts';

/** Sends lines until the stream ends, each parsed by the schema of the interface. */
async function readStream(
  t: ExecutionContext,
  response: Response,
  onLine: (line: HistoryLine) => void = () => undefined,
): Promise<HistoryLine[]> {
  t.is(response.status, 200);
  const lines: HistoryLine[] = [];
  const parser = createParser({
    onEvent: (event) => {
      const line = HistoryLine.parse(JSON.parse(event.data));
      t.is(event.id, String(line.seq));
      t.is(event.event, line.type);
      lines.push(line);
      onLine(line);
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
  return lines;
}

async function finish(store: JobStore, id: string): Promise<Job | null> {
  return change(store, await readJob(store, id), {
    change: { state: 'failed', reason: 'no luck', error: { code: 'crashed', message: 'no luck', turn: 'nobody' }, stamp: ['completedAt'] },
    history: [{ type: 'finished', message: 'no luck' }],
  });
}

test('the status of a job has every field of the interface, with times in UTC', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store, { request: { source: '/ci', id: 'e1', bodyHash: 'x' } });
  const response = await fetch(`${url}/status/${job.id}`);
  t.is(response.status, 200);
  const view = JobView.parse(await response.json());
  t.like(view, {
    job_id: job.id,
    status: 'pending',
    competition_name: 'titanic',
    resources_requested: { cpu: '1', memory: '2Gi' },
    reason: 'waiting for a free slot',
    progress: 'waiting for a free slot',
    job_metadata: { priority: 0, progress: 'waiting for a free slot' },
    request: { source: '/ci', id: 'e1' },
    best_score: null,
    next_check_after: 2,
  });
});

test('progress shows in the status, in snake_case and with the score', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  const progress = {
    stage: 'execute',
    message: 'LightGBM, fold 2 of 5',
    solutionsDone: 1,
    solutionsPlanned: 4,
    best: { score: 0.81, low: 0.79, high: 0.83 },
    metric: 'accuracy',
    direction: 'maximize',
    remainingS: 100,
    firstValidSeconds: 2.5,
  } as const;
  await change(store, job, { change: { state: 'running', progress } });
  const view = JobView.parse(await (await fetch(`${url}/status/${job.id}`)).json());
  t.is(view.progress, 'LightGBM, fold 2 of 5');
  t.is(view.best_score, 0.81);
  t.deepEqual(view.best_score_interval, [0.79, 0.83]);
  t.like(view.progress_detail, { solutions_done: 1, first_valid_seconds: 2.5 });
  t.is(view.budget.remaining_s, 100);
});

test('a result from before memory and seconds were measured is shown without them', async (t) => {
  const { store } = await startFunctions(t);
  const job = await addJob(store);
  const measured = JobResult.parse({
    attempt: 1,
    partial: false,
    quality: 'model',
    cv: null,
    metric: 'auc',
    direction: 'maximize',
    metricIsProxy: false,
    valid: true,
    solutions: 1,
    bestSolution: 1,
    firstValidSeconds: 1,
    seconds: 2,
    leaderboard: null,
    notes: [],
    files: [],
  });
  t.is(measured.resources, null);
  // The ledger gives rows as they were written.
  const asWritten: JobResult = JSON.parse(JSON.stringify({ ...measured, resources: undefined }));
  t.deepEqual(buildJobView({ ...job, result: asWritten }).resources_used, {});
  const resources = { runSeconds: 12.3, peakMemoryMib: 812, llmUsd: 0.5 };
  t.deepEqual(buildJobView({ ...job, result: { ...measured, resources } }).resources_used, {
    memory: '812Mi',
    run_seconds: '12.3',
    llm_usd: '0.5000',
  });
  const recipesOnly = { ...resources, llmUsd: 0 };
  t.deepEqual(Object.keys(buildJobView({ ...job, result: { ...measured, resources: recipesOnly } }).resources_used), [
    'memory',
    'run_seconds',
  ]);
});

test('the ETag changes with the job, and an equal one is answered 304 without a body', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  const first = await fetch(`${url}/status/${job.id}`);
  const etag = first.headers.get('etag') ?? '';
  t.is(etag, `"${job.version}"`);
  const same = await fetch(`${url}/status/${job.id}`, { headers: { 'if-none-match': etag } });
  t.is(same.status, 304);
  t.is(await same.text(), '');
  await change(store, job);
  const next = await fetch(`${url}/status/${job.id}`, { headers: { 'if-none-match': etag } });
  t.is(next.status, 200);
  t.not(next.headers.get('etag'), etag);
});

test('a waiting request is answered as soon as the job changes, or ends, and at once when it is final', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  const untilChanged = fetch(`${url}/status/${job.id}?wait=50`, { headers: { 'if-none-match': `"${job.version}"` } });
  const untilFinal = fetch(`${url}/status/${job.id}?wait=50`);
  await change(store, job, { change: { state: 'running' } });
  t.is(JobView.parse(await (await untilChanged).json()).status, 'running');
  await finish(store, job.id);
  t.is(JobView.parse(await (await untilFinal).json()).status, 'failed');
  t.is((await fetch(`${url}/status/${job.id}?wait=50`)).status, 200);
});

test('waiting ends with the time and with a graceful stop', async (t) => {
  const { url, store, serving } = await startFunctions(t);
  const job = await addJob(store);
  const etag = { 'if-none-match': `"${job.version}"` };
  t.is((await fetch(`${url}/status/${job.id}?wait=1`, { headers: etag })).status, 304);
  const waiting = fetch(`${url}/status/${job.id}?wait=55`, { headers: etag });
  const other = await fetch(`${url}/jobs/${job.id}/events`);
  t.is(other.status, 200);
  const [response, clean] = await Promise.all([waiting, serving.stop(), other.text()]);
  t.is(response.status, 304);
  t.true(clean);
});

test('the list has pages that lead on, a true total, and filters', async (t) => {
  const { url, store } = await startFunctions(t);
  for (let count = 0; count < 5; count += 1) await addJob(store);
  const failing = await addJob(store, { request: { source: '/ci', id: 'e1', bodyHash: 'x' } });
  await finish(store, failing.id);
  const seen: string[] = [];
  let path: string | null = '/jobs?limit=2&status_filter=pending';
  while (path !== null) {
    const response: Response = await fetch(`${url}${path}`);
    const page = JobListView.parse(await response.json());
    t.is(page.total, 5);
    seen.push(...page.jobs.map((job) => job.job_id));
    path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null;
  }
  t.is(new Set(seen).size, 5);
  const several = JobListView.parse(await (await fetch(`${url}/jobs?status_filter=failed,success`)).json());
  t.deepEqual(
    several.jobs.map((job) => job.job_id),
    [failing.id],
  );
  const byEvent = JobListView.parse(await (await fetch(`${url}/jobs?request_source=/ci&request_id=e1`)).json());
  t.is(byEvent.total, 1);
  t.is((await fetch(`${url}/jobs?request_id=e1`)).status, 422);
});

test('a stream gives the history, then live lines in order, and ends after the final one', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  const response = await fetch(`${url}/jobs/${job.id}/events`);
  t.is(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  const lines = await readStream(t, response, (line) => {
    if (line.type !== 'submitted') return;
    void (async () => {
      const progress = { message: 'evil\n\ndata: {"seq":99}\n\u2028<script>', solutionsDone: 1 };
      await change(store, job, {
        change: { state: 'running' },
        history: [{ type: 'progressed', message: progress.message, data: { progress } }],
      });
      await finish(store, job.id);
    })();
  });
  t.deepEqual(
    lines.map((line) => [line.seq, line.type]),
    [
      [1, 'submitted'],
      [2, 'progressed'],
      [3, 'finished'],
    ],
  );
  t.deepEqual(lines[1]?.data, { progress: { message: 'evil\n\ndata: {"seq":99}\n\u2028<script>', solutions_done: 1 } });
});

test('a stream resumes after the last id that was seen, and is 204 when a final job has nothing more', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  await change(store, job);
  const final = await finish(store, job.id);
  const resumed = await readStream(t, await fetch(`${url}/jobs/${job.id}/events`, { headers: { 'last-event-id': '1' } }));
  t.deepEqual(
    resumed.map((line) => line.seq),
    [2, 3],
  );
  const byQuery = await readStream(t, await fetch(`${url}/jobs/${job.id}/events?last_event_id=2`));
  t.deepEqual(
    byQuery.map((line) => line.seq),
    [3],
  );
  t.is((await fetch(`${url}/jobs/${job.id}/events?last_event_id=${final?.lastSeq}`)).status, 204);
  t.is((await fetch(`${url}/jobs/${job.id}/events?last_event_id=x`)).status, 422);
});

test('a stream of a live job ends by itself before the platform would cut it', async (t) => {
  const { url, store } = await startFunctions(t, { maxStreamMs: 150 });
  const job = await addJob(store);
  const lines = await readStream(t, await fetch(`${url}/jobs/${job.id}/events`));
  t.is(lines.length, 1);
});

test('fifty streams share one ledger query a turn, and each gets every line once', async (t) => {
  let queries = 0;
  const startedAt = performance.now();
  const { url, store } = await startFunctions(t, {
    wrapStore: (plain) => ({ ...plain, readHistories: (params) => ((queries += 1), plain.readHistories(params)) }),
  });
  const job = await addJob(store);
  const responses = await Promise.all(Array.from({ length: 50 }, () => fetch(`${url}/jobs/${job.id}/events`)));
  const streams = Promise.all(responses.map((response) => readStream(t, response)));
  for (let count = 0; count < 10; count += 1) await change(store, await readJob(store, job.id));
  await finish(store, job.id);
  for (const lines of await streams)
    t.deepEqual(
      lines.map((line) => line.seq),
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
  const turns = (performance.now() - startedAt) / FEED_INTERVAL_MS + 2;
  t.true(queries <= turns, `${queries} queries in ${turns} turns`);
});

test('solutions are listed, and one is shown with code, difference to its parent, and log', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const texts = [
    keys.solution(job.id, 1, 'solution.py'),
    keys.solution(job.id, 2, 'solution.py'),
    keys.solution(job.id, 2, 'log'),
  ] as const;
  await artifacts.createObject(texts[0], 'a = 1\nb = 2\n', 'text/plain');
  await artifacts.createObject(texts[1], 'a = 1\nb = 3\n', 'text/plain');
  await artifacts.createObject(texts[2], 'fitted', 'text/plain');
  const solutions = [makeSolution(1, { codeKey: texts[0] }), makeSolution(2, { codeKey: texts[1], logKey: texts[2], parents: [1] })];
  await change(store, job, { solutions });
  const list = SolutionListView.parse(await (await fetch(`${url}/jobs/${job.id}/solutions`)).json());
  t.is(list.total, 2);
  const detail = SolutionDetail.parse(await (await fetch(`${url}/jobs/${job.id}/solutions/2`)).json());
  t.is(detail.code, 'a = 1\nb = 3\n');
  t.is(detail.log, 'fitted');
  t.is(detail.diff, '--- solution 1\n+++ solution 2\n@@ -1,3 +1,3 @@\n a = 1\n-b = 2\n+b = 3\n ');
  t.is((await fetch(`${url}/jobs/${job.id}/solutions/3`)).status, 404);
});

test('a key that an agent made up is never followed into another job', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const [mine, other] = [await addJob(store), await addJob(store)];
  const secret = keys.solution(other.id, 1, 'solution.py');
  await artifacts.createObject(secret, 'secret', 'text/plain');
  await change(store, mine, { solutions: [makeSolution(1, { codeKey: secret })] });
  const detail = SolutionDetail.parse(await (await fetch(`${url}/jobs/${mine.id}/solutions/1`)).json());
  t.is(detail.code, null);
});

test('health counts jobs, and without the ledger it is degraded while the probes stay well', async (t) => {
  const { url, store } = await startFunctions(t);
  await addJob(store);
  const healthy = HealthView.parse(await (await fetch(`${url}/health`)).json());
  t.like(healthy, { status: 'healthy', pending_jobs: 1, running_jobs: 0, services: { api: 'healthy', database: 'healthy' } });
  const down = await startFunctions(t, { wrapStore: (plain) => ({ ...plain, countJobs: () => Promise.reject(new Error('down')) }) });
  const degraded = await fetch(`${down.url}/health`);
  t.is(degraded.status, 503);
  t.is(HealthView.parse(await degraded.json()).services['database'], 'unhealthy');
  t.is((await fetch(`${down.url}/livez`)).status, 200);
  t.is((await fetch(`${down.url}/readyz`)).status, 200);
});
