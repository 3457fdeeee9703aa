import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { JobView, RunAccepted } from '#core/responses.ts';
import { z } from 'zod';
import { makeTempDir, readStatus, startTestPlane, submitTo, waitForFinal } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { runCli, startCli } from './_run-cli.ts';

const ENDLESS = JSON.stringify({ steps: 100_000, msPerStep: 20 });
/** Slow enough that a watcher sees it run: what it says in a burst is merged. */
const FIVE_STEPS = JSON.stringify({ steps: 5, msPerStep: 400 });
const UNKNOWN = '00000000-0000-7000-8000-000000000000';
const ID_LINE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;

test.serial('submit prints the id alone on stdout and the rest on stderr; the same key gives the same id', async (t) => {
  const { url } = await startTestPlane(t);
  const first = await runCli(t, url, 'submit', 'titanic', '--idempotency-key', 'k1', '--priority', '3', '--hint', '{"steps":1}');
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, ID_LINE);
  t.regex(first.stderr, /^job \S+ accepted as kaggle-titanic-[0-9a-f]{8}\n$/);
  const again = await runCli(t, url, 'submit', 'titanic', '--idempotency-key', 'k1', '--priority', '3', '--hint', '{"steps":1}');
  t.is(again.stdout, first.stdout);
  t.is((await readStatus(url, first.stdout.trim())).job_metadata['priority'], 3);

  const json = await runCli(t, url, 'submit', 'https://www.kaggle.com/competitions/titanic/overview', '-o', 'json');
  t.is(RunAccepted.parse(JSON.parse(json.stdout)).status, 'pending');
});

test.serial('submit --wait and --watch follow the job to its end: its state is the exit code, 0 or 3', async (t) => {
  const { url } = await startTestPlane(t);
  const waited = await runCli(t, url, 'submit', 'titanic', '--wait', '-o', 'json');
  t.is(waited.code, 0, waited.stderr);
  t.is(JobView.parse(JSON.parse(waited.stdout)).status, 'success');
  t.notRegex(waited.stderr, /running/);

  const watched = await runCli(t, url, 'submit', 'titanic', '--watch', '--hint', FIVE_STEPS);
  t.is(watched.code, 0, watched.stderr);
  t.regex(watched.stdout, /^JOB +COMPETITION +STATE +BEST +AGE +REASON\n[0-9a-f-]{36} +titanic +success +accuracy 0\.5 /);
  t.regex(
    watched.stderr,
    /running +\d+s +execute +(step [1-5] of 5|better: [1-5]) +best accuracy 0\.[1-5] ±0\.01 +(1h00m|59m\d\ds) left\n/,
  );
  t.regex(watched.stderr, /success +\d+s +done: 5 solutions/);

  const failed = await runCli(t, url, 'submit', 'titanic', '--watch', '-o', 'name', '--hint', '{"steps":1,"exitCode":64}');
  t.is(failed.code, 3, failed.stderr);
  t.regex(failed.stdout, ID_LINE);
  t.regex(failed.stderr, /failed: train\.csv is missing\n$/);
});

test.serial('a wait that is too short ends with 8 and says how to go on; Ctrl-C ends it with 130 and leaves the job alone', async (t) => {
  const { url } = await startTestPlane(t);
  const short = await runCli(t, url, 'submit', 'titanic', '--wait', '--timeout', '1', '--hint', ENDLESS);
  t.is(short.code, 8, short.stderr);
  t.is(short.stdout, '');
  const id = /kn-kaggle watch (\S+)\n$/.exec(short.stderr)?.[1] ?? '';
  await waitUntil('running', async () => (await readStatus(url, id)).status === 'running');

  const watching = startCli(t, ['watch', id], { KAGGLE_AGENT_URL: url });
  await waitUntil('progress', () => watching.output.stderr.includes('step'));
  watching.signal('SIGINT');
  const end = await watching.ended;
  t.is(end.code, 130);
  t.regex(end.stderr, /Detached; the job goes on\./);
  t.is((await readStatus(url, id)).status, 'running');

  const told = await runCli(t, url, 'instruct', id, 'the', 'dates', 'matter', '-o', 'json');
  t.is(told.code, 0, told.stderr);
  t.like(JSON.parse(told.stdout), { job_id: id, status: 'running', seq: 1 });
  t.is((await runCli(t, url, 'instruct', id, '--never', 'neural nets')).stdout, `${id}\n`);
  for (const [args, message] of [
    [[], /one thing at a time: .*nothing was given/],
    [['words', '--finish'], /words and --finish were given/],
  ] as const) {
    const wrong = await runCli(t, url, 'instruct', id, ...args);
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, message);
  }

  const cancelled = await runCli(t, url, 'cancel', id);
  t.is(cancelled.code, 0, cancelled.stderr);
  t.is(cancelled.stdout, `${id}\n`);
  t.is((await waitForFinal(url, id)).status, 'cancelled');
  t.is((await runCli(t, url, 'watch', id)).code, 3);
  const again = await runCli(t, url, 'cancel', id);
  t.is(again.code, 6);
  t.regex(again.stderr, /^kn-kaggle: Job cannot be cancelled in status: cancelled/);
  const late = await runCli(t, url, 'instruct', id, '--finish');
  t.is(late.code, 6);
  t.regex(late.stderr, /^kn-kaggle: Job cannot be instructed in status: cancelled/);
});

test.serial('list and describe show jobs as a table, as JSON, or by name; an unknown job is 5', async (t) => {
  const { url } = await startTestPlane(t);
  const none = await runCli(t, url, 'list');
  t.deepEqual([none.code, none.stdout], [0, '']);
  t.regex(none.stderr, /No jobs/);
  const ids = [await submitTo(url), await submitTo(url), await submitTo(url)];
  for (const id of ids) await waitForFinal(url, id);

  const table = await runCli(t, url, 'list');
  t.is(table.stdout.split('\n').length, 5);
  const byName = await runCli(t, url, 'list', '-o', 'name', '--limit', '2');
  t.deepEqual(byName.stdout.trim().split('\n'), ids.toReversed().slice(0, 2));
  t.regex(byName.stderr, /^2 of 3/);
  const json = z.array(JobView).parse(JSON.parse((await runCli(t, url, 'list', '-o', 'json', '--state', 'success')).stdout));
  t.is(json.length, 3);
  t.deepEqual(JSON.parse((await runCli(t, url, 'list', '-o', 'json', '--state', 'running')).stdout), []);
  t.is((await runCli(t, url, 'list', '--state', 'RUNNING')).code, 2);

  const [id = ''] = ids;
  const described = await runCli(t, url, 'describe', id);
  t.regex(described.stdout, /^state +success \(attempt 1\)$/m);
  t.is((await runCli(t, url, 'describe', id, '-o', 'name')).stdout, `${id}\n`);
  t.is(JobView.parse(JSON.parse((await runCli(t, url, 'describe', id, '-o', 'json')).stdout)).job_id, id);
  for (const verb of ['describe', 'watch', 'logs', 'result', 'cancel']) {
    const end = await runCli(t, url, verb, UNKNOWN);
    t.is(end.code, 5, verb);
    t.is(end.stdout, '');
    t.regex(end.stderr, new RegExp(`^kn-kaggle: Job ${UNKNOWN} not found \\(request [^ ]+\\)\n$`), verb);
  }
});

test.serial('logs prints the last lines; logs -f goes on until the job ends', async (t) => {
  const { url } = await startTestPlane(t);
  const done = await submitTo(url, { hint: '{"logLines":20}' });
  await waitForFinal(url, done);
  t.is((await runCli(t, url, 'logs', done, '--tail', '2')).stdout, 'line 19\nline 20\n');
  t.is((await runCli(t, url, 'logs', done, '--attempt', '2')).code, 5);

  const live = await submitTo(url, { hint: ENDLESS });
  await waitUntil('running', async () => (await readStatus(url, live)).status === 'running');
  const following = startCli(t, ['logs', '-f', live], { KAGGLE_AGENT_URL: url });
  await waitUntil('the first line', () => following.output.stdout.includes('stub attempt 1 of titanic\n'));
  await runCli(t, url, 'cancel', live);
  const end = await following.ended;
  t.is(end.code, 0, end.stderr);
});

test.serial('result shows scores and files, and downloads a file whole, to a folder, a path or stdout', async (t) => {
  const { url } = await startTestPlane(t, { cap: 1 });
  const dir = await makeTempDir(t, 'cli');
  const id = await submitTo(url);
  await waitForFinal(url, id);
  const shown = await runCli(t, url, 'result', id);
  t.is(shown.code, 0, shown.stderr);
  t.regex(shown.stdout, /^accuracy 0\.2 {2}95 % \[0\.19, 0\.21\]\nFILE +BYTES +SHA-256\nsubmission\.csv +\d+ +[0-9a-f]{64}\n$/);
  const hash = shown.stdout.trim().slice(-64);
  t.is((await runCli(t, url, 'result', id, '-o', 'name')).stdout, 'submission.csv\n');

  const saved = await runCli(t, url, 'result', id, '--file', 'submission.csv', '--to', dir);
  t.is(saved.stdout, `${join(dir, 'submission.csv')}\n`);
  t.is(
    createHash('sha256')
      .update(await readFile(join(dir, 'submission.csv')))
      .digest('hex'),
    hash,
  );
  const printed = await runCli(t, url, 'result', id, '--file', 'submission.csv', '--to', '-');
  t.is(createHash('sha256').update(printed.stdout).digest('hex'), hash);
  t.is((await runCli(t, url, 'result', id, '--file', 'nothing.csv', '--to', dir)).code, 5);
  const unwritable = await runCli(t, url, 'result', id, '--file', 'submission.csv', '--to', join(dir, 'no', 'such', 'folder'));
  t.is(unwritable.code, 1);
  t.regex(unwritable.stderr, /could not be written/);
  t.deepEqual(await readdir(dir), ['submission.csv']);

  const live = await submitTo(url, { hint: ENDLESS });
  await waitUntil('a first file', async () => (await readStatus(url, live)).best_score !== null);
  const early = await runCli(t, url, 'result', live);
  t.is(early.code, 8);
  t.regex(early.stderr, /^kn-kaggle: Job is not complete\. Current status: running/);
  t.regex((await runCli(t, url, 'result', live, '--best', '--to', '-')).stdout, /^id,y\n/);

  const bad = await submitTo(url, { hint: '{"steps":0,"exitCode":64}' });
  await runCli(t, url, 'cancel', live);
  await waitForFinal(url, bad);
  t.is((await runCli(t, url, 'result', bad)).code, 3);
});
