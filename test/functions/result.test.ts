import test from 'ava';
import type { ArtifactStore, JobStore } from '#core/ports.ts';
import type { Job, JobState, ResultFile } from '#core/job.ts';
import type { BestRecord } from '#core/report.ts';
import { LogsView, Problem, ResultView } from '#core/responses.ts';
import { addJob, change, claim, readJob } from '#test/_support/ledger.ts';
import { keys } from '#core/names.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { startFunctions } from '#test/_support/functions.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const CSV = 'PassengerId,Survived\n892,0\n';

async function storeFile(artifacts: ArtifactStore, key: string, name: string, text: string): Promise<ResultFile> {
  await artifacts.createObject(key, text, 'application/octet-stream');
  return { name, key, sha256: sha256Hex(text), bytes: Buffer.byteLength(text), contentType: 'text/csv' };
}

async function end(store: JobStore, job: Job, state: JobState, files: ResultFile[]): Promise<void> {
  const result = {
    attempt: 1,
    partial: state !== 'success',
    quality: 'model',
    cv: { score: 0.8, low: 0.7, high: 0.9 },
    metric: 'accuracy',
    direction: 'maximize',
    metricIsProxy: false,
    expected: null,
    trust: { verdict: 'unverified', reasons: ['one column tells all'] as string[] },
    valid: true,
    solutions: 3,
    bestSolution: 2,
    firstValidSeconds: 1.5,
    seconds: 60,
    resources: null,
    leaderboard: null,
    notes: [],
    files,
  } as const;
  const changed = await change(store, job, {
    change: { state, result: files.length > 0 ? { ...result, notes: [], files } : null, reason: state },
  });
  if (changed === null) throw new Error('the job did not change');
}

test('where the submission is a program, the path of the table says where it is', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const text = 'def act(board, mark):\n    return 0\n';
  await end(store, job, 'success', [await storeFile(artifacts, keys.result(job.id, 1, 'submission.py'), 'submission.py', text)]);
  const table = await fetch(`${url}/result/${job.id}/submission.csv`);
  t.is(table.status, 404);
  t.is(Problem.parse(await table.json()).detail, `The submission of this competition is a program: get /result/${job.id}/submission.py`);
  t.is(await (await fetch(`${url}/result/${job.id}/submission.py`)).text(), text);
});

test('a result is refused with the state while the job is not complete, and unknown jobs are 404', async (t) => {
  const { url, store } = await startFunctions(t);
  const job = await addJob(store);
  for (const path of [`/result/${job.id}`, `/result/${job.id}/submission.csv`, `/result/${job.id}/report.html`]) {
    const response = await fetch(`${url}${path}`);
    t.is(response.status, 400, path);
    t.is(Problem.parse(await response.json()).detail, 'Job is not complete. Current status: pending');
  }
  const unknown = '01920000-0000-7000-8000-000000000000';
  for (const path of [`/result/${unknown}`, `/result/${unknown}/submission.csv`, `/logs/${unknown}`]) {
    const response = await fetch(`${url}${path}`);
    t.is(response.status, 404);
    t.is(Problem.parse(await response.json()).detail, `Job ${unknown} not found`);
  }
});

test('a finished job gives its submission as an attachment whose hash can be checked', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const file = await storeFile(artifacts, keys.result(job.id, 1, 'submission.csv'), 'submission.csv', CSV);
  const evidence = await storeFile(artifacts, keys.result(job.id, 1, 'evidence.json'), 'evidence.json', '{"folds":5}');
  await end(store, job, 'success', [file, evidence]);
  const response = await fetch(`${url}/result/${job.id}/submission.csv`);
  t.is(response.status, 200);
  t.is(response.headers.get('content-type'), 'text/csv; charset=utf-8');
  t.is(response.headers.get('content-disposition'), 'attachment; filename="submission.csv"');
  t.is(response.headers.get('x-kaggle-agent-quality'), 'model');
  t.is(await response.text(), CSV);
  const etag = response.headers.get('etag') ?? '';
  t.is(etag, `"${file.sha256}"`);
  t.is((await fetch(`${url}/result/${job.id}/submission.csv`, { headers: { 'if-none-match': etag } })).status, 304);
  const head = await fetch(`${url}/result/${job.id}/submission.csv`, { method: 'HEAD' });
  t.is(head.headers.get('content-length'), String(CSV.length));
  const view = ResultView.parse(await (await fetch(`${url}/result/${job.id}`)).json());
  t.deepEqual(view.evidence, { folds: 5 });
  t.like(view.result, { cv: { score: 0.8, low: 0.7, high: 0.9 }, valid: true, partial: false, best_solution: 2 });
  t.deepEqual(view.result?.trust, { verdict: 'unverified', reasons: ['one column tells all'] });
  t.deepEqual(view.result?.files[0], {
    name: 'submission.csv',
    sha256: file.sha256,
    bytes: file.bytes,
    content_type: 'text/csv',
    url: `/result/${job.id}/submission.csv`,
  });
});

test('a stored file that is not the recorded one is never sent', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const file = await storeFile(artifacts, keys.result(job.id, 1, 'submission.csv'), 'submission.csv', CSV);
  await end(store, job, 'success', [{ ...file, sha256: sha256Hex('other') }]);
  const response = await fetch(`${url}/result/${job.id}/submission.csv`);
  t.is(response.status, 503);
  t.regex(Problem.parse(await response.json()).detail, /not the one that was recorded/);
});

test('a file that is gone from storage is 404 in the words of the original system', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const file = await storeFile(artifacts, keys.result(job.id, 1, 'submission.csv'), 'submission.csv', CSV);
  await end(store, job, 'success', [{ ...file, key: 'results/gone' }]);
  const response = await fetch(`${url}/result/${job.id}/submission.csv`);
  t.is(response.status, 404);
  t.is(Problem.parse(await response.json()).detail, 'Submission file not found');
});

test('every state but success is 400, and ?best=1 gives the partial result with labels', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  for (const state of ['failed', 'timeout', 'cancelled'] as const) {
    const job = await addJob(store);
    const file = await storeFile(artifacts, keys.result(job.id, 1, 'submission.csv'), 'submission.csv', CSV);
    await end(store, job, state, [file]);
    const refused = await fetch(`${url}/result/${job.id}/submission.csv`);
    t.is(refused.status, 400);
    t.is(Problem.parse(await refused.json()).detail, `Job is not complete. Current status: ${state}`);
    const best = await fetch(`${url}/result/${job.id}/submission.csv?best=1`);
    t.is(best.status, 200);
    t.is(best.headers.get('x-kaggle-agent-partial'), 'true');
    t.is(await best.text(), CSV);
  }
});

test('?best=1 of a running job gives the newest valid file, and 404 before there is one', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  await claim(store);
  const none = await fetch(`${url}/result/${job.id}/submission.csv?best=1`);
  t.is(none.status, 404);
  t.is(Problem.parse(await none.json()).code, 'no-valid-file');
  for (const [seq, quality] of [
    [1, 'fallback'],
    [2, 'model'],
  ] as const) {
    const text = `${CSV}${seq},1\n`;
    const file = await storeFile(artifacts, keys.bestFile(job.id, 1, seq), 'submission.csv', text);
    const record: BestRecord = {
      schemaVersion: 1,
      jobId: job.id,
      attempt: 1,
      seq,
      quality,
      metric: 'accuracy',
      direction: 'maximize',
      metricIsProxy: false,
      expected: null,
      trust: { verdict: 'unverified', reasons: ['one column tells all'] as string[] },
      cv: { score: 0.7, low: 0.6, high: 0.8 },
      bestSolution: seq,
      solutions: seq,
      firstValidSeconds: 1,
      seconds: seq,
      resources: null,
      notes: [],
      file: { ...file, name: 'submission.csv' },
    };
    await artifacts.createObject(keys.best(job.id, 1, seq), JSON.stringify(record), 'application/json');
  }
  await artifacts.createObject(keys.best(job.id, 1, 3), 'not a record', 'application/json');
  const best = await fetch(`${url}/result/${job.id}/submission.csv?best=1`);
  t.is(best.status, 200);
  t.is(best.headers.get('x-kaggle-agent-quality'), 'model');
  t.is(best.headers.get('x-kaggle-agent-score'), '0.7');
  t.is(await best.text(), `${CSV}2,1\n`);
});

test('the report is shown in a sandbox, other files are downloads, and only recorded names exist', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const files = [
    await storeFile(artifacts, keys.result(job.id, 1, 'submission.csv'), 'submission.csv', CSV),
    await storeFile(artifacts, keys.result(job.id, 1, 'report.html'), 'report.html', '<script>alert(1)</script>'),
    await storeFile(artifacts, keys.result(job.id, 1, 'solution.py'), 'solution.py', 'print(1)'),
  ];
  await end(store, job, 'success', files);
  const report = await fetch(`${url}/result/${job.id}/report.html`);
  t.regex(report.headers.get('content-security-policy') ?? '', /default-src 'none'.*sandbox/);
  const code = await fetch(`${url}/result/${job.id}/solution.py`);
  t.is(code.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.is(code.headers.get('x-content-type-options'), 'nosniff');
  for (const name of ['nothing.csv', '..%2f..%2fetc%2fpasswd', '%00', 'a'.repeat(500)]) {
    t.is((await fetch(`${url}/result/${job.id}/${name}`)).status, 404, name);
  }
});

test('logs come from storage with the sentences of the original system and the last lines', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  const read = async (query = '') => LogsView.parse(await (await fetch(`${url}/logs/${job.id}${query}`)).json());
  t.is((await read()).logs, 'Pod not yet created');
  await claim(store);
  t.is((await read()).logs, 'Pod not found or not started yet');
  await artifacts.createObject(keys.log(job.id, 1, 1), 'one\ntwo\nthr', 'text/plain');
  await artifacts.createObject(keys.log(job.id, 1, 2), 'ee\nfour \u001b[31mred\u0000\n', 'text/plain');
  t.like(await read(), { logs: 'one\ntwo\nthree\nfour [31mred\n', truncated: false, attempt: 1 });
  t.like(await read('?tail_lines=2'), { logs: 'three\nfour [31mred\n', truncated: true });
  t.is((await read('?tail_lines=0')).logs, '');
  t.is((await fetch(`${url}/logs/${job.id}?attempt=2`)).status, 404);
  t.is((await fetch(`${url}/logs/${job.id}?tail_lines=-1`)).status, 422);
});

test('a followed log goes on with new chunks until the job is final', async (t) => {
  const { url, store, artifacts } = await startFunctions(t);
  const job = await addJob(store);
  await claim(store);
  await artifacts.createObject(keys.log(job.id, 1, 1), 'first\n', 'text/plain');
  const response = await fetch(`${url}/logs/${job.id}?follow=1`);
  t.is(response.headers.get('content-type'), 'text/plain; charset=utf-8');
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += new TextDecoder().decode(chunk);
  })();
  await waitUntil('the first line', () => text.includes('first'));
  await artifacts.createObject(keys.log(job.id, 1, 2), 'second\n', 'text/plain');
  await waitUntil('the second line', () => text.includes('second'));
  await artifacts.createObject(keys.log(job.id, 1, 3), 'last\n', 'text/plain');
  await change(store, await readJob(store, job.id), { change: { state: 'failed', reason: 'x' } });
  await reading;
  t.is(text, 'first\nsecond\nlast\n');
});
