import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createKaggleStandIn, DEMO_USER } from '#local/kaggle/server.ts';
import { connectClient, createManualClock, makeTempDir, startStandIn } from '#test/_support/kaggle-stand-in.ts';

const SLUG = 'ames-house-prices';
const examples = resolve(import.meta.dirname, '../../../examples');
const sample = join(examples, SLUG, 'data/sample_submission.csv');
const SERVICE = 'competitions.CompetitionApiService';

async function post(
  base: string,
  method: string,
  body: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${DEMO_USER.token}` },
) {
  const response = await fetch(`${base}/${method}`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, location: response.headers.get('location') ?? '', text: await response.text() };
}

async function read(url: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(url, { headers });
  await response.arrayBuffer();
  return response;
}

test('garbage at every door is a 4xx in Kaggle’s shape, never a crash', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const doors: [method: string, body: unknown, status: number][] = [
    [`${SERVICE}/GetCompetition`, 'not json', 400],
    [`${SERVICE}/GetCompetition`, '"text"', 400],
    [`${SERVICE}/GetCompetition`, [], 400],
    [`${SERVICE}/GetCompetition`, {}, 400],
    [`${SERVICE}/GetCompetition`, { competitionName: 5 }, 400],
    [`${SERVICE}/GetCompetition`, { competitionName: 'nope' }, 403],
    [`${SERVICE}/GetCompetition`, { competitionName: '__proto__' }, 403],
    [`${SERVICE}/GetCompetition`, { competitionName: 'https://www.kaggle.com/competitions/ames-house-prices' }, 403],
    [`${SERVICE}/GetCompetition`, { competitionName: '../answers' }, 403],
    [`${SERVICE}/DownloadDataFile`, { competitionName: SLUG, fileName: '../../answers/ames-house-prices/answers.csv' }, 404],
    [`${SERVICE}/DownloadDataFile`, { competitionName: SLUG, fileName: 'answers.csv' }, 404],
    [`${SERVICE}/ListDataFiles`, { competitionName: SLUG, pageToken: 'garbage' }, 400],
    [`${SERVICE}/StartSubmissionUpload`, { competitionName: SLUG, contentLength: -1, fileName: 'a' }, 400],
    [`${SERVICE}/StartSubmissionUpload`, { competitionName: 'nope', contentLength: 1, fileName: 'a' }, 403],
    [`${SERVICE}/CreateSubmission`, { competitionName: SLUG, blobFileTokens: 'made-up' }, 400],
    [`${SERVICE}/CreateSubmission`, { competitionName: SLUG }, 400],
    [`${SERVICE}/GetSubmission`, { ref: 1 }, 403],
    [`${SERVICE}/GetSubmission`, { ref: 'x' }, 400],
    [`${SERVICE}/CreateCodeSubmission`, { competitionName: SLUG }, 400],
    [`${SERVICE}/constructor`, {}, 404],
    [`${SERVICE}/NoSuchMethod`, {}, 404],
    ['other.Service/Get', {}, 404],
    [`${SERVICE}/GetCompetition`, { competitionName: 'x'.repeat(2_000_000) }, 413],
  ];
  for (const [method, body, status] of doors) {
    const answer = await post(apiBaseUrl, method, body);
    t.is(answer.status, status, `${method} ${JSON.stringify(body).slice(0, 60)} → ${answer.text.slice(0, 200)}`);
    t.regex(answer.text, /^\{"error":\{"code":\d+,"message":"/);
    t.notRegex(answer.text, /\.ts:|node_modules/);
  }
});

test('credentials that are none, wrong or malformed are 401, and an unknown token is not active', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  for (const authorization of [
    '',
    'Bearer',
    'Bearer x',
    'Basic !!!',
    `Basic ${btoa('demo')}`,
    `Basic ${btoa('demo:no')}`,
    'Digest x',
    `Basic ${btoa(`demo:${DEMO_USER.token}`)}`,
  ]) {
    t.is((await post(apiBaseUrl, `${SERVICE}/GetCompetition`, { competitionName: SLUG }, { authorization })).status, 401, authorization);
  }
  t.is((await post(apiBaseUrl, 'security.OAuthService/IntrospectToken', { token: 'x' })).text, '{"active":false}');
  t.regex((await post(apiBaseUrl, 'security.OAuthService/IntrospectToken', { token: DEMO_USER.token })).text, /"username":"demo"/);
});

test('fields with their default value are left out, and the reference is a full URL', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { text } = await post(apiBaseUrl.replace('/api/v1', '/v1'), `${SERVICE}/GetCompetition`, {
    competitionName: 'telco-churn',
    unknown: 1,
  });
  const reply: unknown = JSON.parse(text);
  t.like(reply, { ref: 'https://www.kaggle.com/competitions/telco-churn', userHasEntered: true, deadline: '2099-01-01T00:00:00.000Z' });
  t.notRegex(text, /null|evaluationMetric|submissionsDisabled|scoring|auc/);
});

test('files are listed in pages', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const first = await post(apiBaseUrl, `${SERVICE}/ListDataFiles`, { competitionName: SLUG, pageSize: 2 });
  const token = /"nextPageToken":"([^"]+)"/.exec(first.text)?.[1] ?? '';
  const second = await post(apiBaseUrl, `${SERVICE}/ListDataFiles`, { competitionName: SLUG, pageSize: 2, pageToken: token });
  t.regex(first.text, /sample_submission\.csv.*test\.csv/);
  t.regex(second.text, /train\.csv/);
  t.notRegex(second.text, /nextPageToken/);
});

test('nothing that is served holds a hidden answer', async (t) => {
  const { apiBaseUrl, storageOrigin } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  const dir = await makeTempDir(t);
  for (const slug of [SLUG, 'telco-churn', 'emoji-sorter-text']) {
    const { path } = await client.downloadAll(slug, dir);
    const files = await client.unpack(path, join(dir, slug));
    t.deepEqual(
      files.map((file) => file.path),
      ['sample_submission.csv', 'test.csv', 'train.csv'],
    );
    const [testHeader = '', answerHeader = ''] = await Promise.all(
      [join(dir, slug, 'test.csv'), join(examples, 'answers', slug, 'answers.csv')].map(
        async (file) => (await readFile(file, 'utf8')).split('\n')[0],
      ),
    );
    const target = answerHeader.split(',')[1] ?? '';
    t.false(testHeader.split(',').includes(target), `${slug}: test.csv has no ${target}`);
  }
  for (const path of [
    '/',
    '/answers',
    '/kaggle-competitions-data/ames-house-prices/bundle/archive.zip',
    '/kaggle-competitions-data/%2e%2e/%2e%2e/state.json',
  ]) {
    t.true([400, 404].includes((await fetch(storageOrigin + path)).status), path);
  }
});

test('a signed address needs its signature, ends in the real name, expires, and takes no Authorization', async (t) => {
  const clock = createManualClock('2026-03-01T00:00:00Z');
  const { apiBaseUrl, storageOrigin } = await startStandIn(t, { clock, urlLifetimeMs: 60_000 });
  const { status, location } = await post(apiBaseUrl, `${SERVICE}/DownloadDataFiles`, { competitionName: SLUG });
  t.is(status, 302);
  t.true(location.startsWith(storageOrigin));
  t.true(new URL(location).pathname.endsWith('/bundle/archive.zip'));
  const whole = await read(location);
  t.is(whole.status, 200);
  t.regex(whole.headers.get('x-goog-hash') ?? '', /^md5=/);
  t.truthy(whole.headers.get('last-modified'));
  const bytes = Number(whole.headers.get('content-length'));
  const rest = await read(location, { range: `bytes=${bytes - 5}-` });
  t.is(rest.status, 206);
  t.is(rest.headers.get('content-range'), `bytes ${bytes - 5}-${bytes - 1}/${bytes}`);
  t.is((await read(location, { range: `bytes=${bytes}-` })).status, 416);
  t.is((await read(location, { authorization: 'Bearer leaked' })).status, 400);
  t.is((await read(location.replace(/Signature=./, 'Signature=x'))).status, 400);
  clock.advanceMs(60_000);
  t.is((await read(location)).status, 400);
});

test('a single large file is served zipped under its own name', async (t) => {
  const { apiBaseUrl } = await startStandIn(t, { zipFilesFromBytes: 100_000 });
  const large = await post(apiBaseUrl, `${SERVICE}/DownloadDataFile`, { competitionName: SLUG, fileName: 'train.csv' });
  t.true(new URL(large.location).pathname.endsWith('/train.csv.zip'));
  const small = await post(apiBaseUrl, `${SERVICE}/DownloadDataFile`, { competitionName: SLUG, fileName: 'sample_submission.csv' });
  t.true(new URL(small.location).pathname.endsWith('/sample_submission.csv'));
});

test('a submission is pending until its time, and hidden from other accounts', async (t) => {
  const clock = createManualClock('2026-03-01T00:00:00Z');
  const other = { username: 'other', key: 'k', token: 'KGAT_other', entered: 'all' } as const;
  const { apiBaseUrl } = await startStandIn(t, { clock, scoringDelayMs: 5000, users: [DEMO_USER, other] });
  const { client } = connectClient(apiBaseUrl);
  const { ref } = await client.submitFile(SLUG, sample, 'wait');
  t.is((await client.getSubmission(ref)).status, 'pending');
  t.is((await client.getSubmission(ref)).publicScore, null);
  clock.advanceMs(5000);
  t.is((await client.getSubmission(ref)).status, 'complete');
  const stranger = connectClient(apiBaseUrl, { credentials: { token: other.token } }).client;
  t.deepEqual(await stranger.listSubmissions(SLUG), []);
  await t.throwsAsync(stranger.getSubmission(ref), { name: 'KaggleError' });
});

test('an upload belongs to its account, must be whole, is used once, and expires', async (t) => {
  const clock = createManualClock('2026-03-01T00:00:00Z');
  const other = { username: 'other', key: 'k', token: 'KGAT_other', entered: 'all' } as const;
  const { apiBaseUrl } = await startStandIn(t, { clock, uploadLifetimeMs: 60_000, users: [DEMO_USER, other] });
  const bytes = await readFile(sample);
  const begun = await post(apiBaseUrl, `${SERVICE}/StartSubmissionUpload`, {
    competitionName: SLUG,
    contentLength: String(bytes.length),
    fileName: 's.csv',
  });
  const token = /"token":"([^"]+)"/.exec(begun.text)?.[1] ?? '';
  const url = /"createUrl":"([^"]+)"/.exec(begun.text)?.[1] ?? '';
  const put = async (body: Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url, { method: 'PUT', headers, body });
  const create = async (authorization = `Bearer ${DEMO_USER.token}`): Promise<number> =>
    (
      await post(
        apiBaseUrl,
        `${SERVICE}/CreateSubmission`,
        { competitionName: SLUG, blobFileTokens: token, submissionDescription: 'x' },
        { authorization },
      )
    ).status;
  t.is((await put(Uint8Array.from(bytes.subarray(0, 100)))).status, 308);
  t.is(await create(), 400, 'not whole yet');
  const probe = await put(new Uint8Array(), { 'content-range': `bytes */${bytes.length}` });
  t.is(probe.headers.get('range'), 'bytes=0-99');
  t.is((await put(Uint8Array.from(Buffer.concat([bytes, bytes])))).status, 400, 'longer than announced');
  t.is((await put(Uint8Array.from(bytes.subarray(100)), { 'content-range': `bytes 100-${bytes.length - 1}/${bytes.length}` })).status, 200);
  t.is(await create('Bearer KGAT_other'), 400, 'of another account');
  t.is(await create(), 200);
  t.is(await create(), 400, 'a second time');
  clock.advanceMs(60_000);
  t.is((await put(new Uint8Array(), { 'content-range': 'bytes */1' })).status, 404);
});

test('50 submissions at once never pass the daily quota', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  const all = await Promise.allSettled(Array.from({ length: 50 }, (_, i) => client.submitFile(SLUG, sample, `at once ${i}`)));
  t.is(all.filter((one) => one.status === 'fulfilled').length, 10);
  t.is((await client.listSubmissions(SLUG)).length, 10);
});

test('submissions, their scores and the quota survive a restart', async (t) => {
  const stateDir = await makeTempDir(t);
  const first = await startStandIn(t, { stateDir });
  const { ref } = await connectClient(first.apiBaseUrl).client.submitFile(SLUG, sample, 'before');
  await first.standIn.close();
  const second = await startStandIn(t, { stateDir });
  const { client } = connectClient(second.apiBaseUrl);
  t.is((await client.getSubmission(ref)).publicScore, 0.42535);
  t.is((await client.getLimits(SLUG)).usedToday, 1);
  t.true(Number((await client.submitFile(SLUG, sample, 'after')).ref) > Number(ref));
});

test('a damaged state file is named, not overwritten', async (t) => {
  const stateDir = await makeTempDir(t);
  await writeFile(join(stateDir, 'state.json'), '{"nextRef":');
  t.throws(() => createKaggleStandIn({ examplesDir: examples, answersDir: join(examples, 'answers'), stateDir }), {
    message: /state\.json is not readable/,
  });
  t.is(await readFile(join(stateDir, 'state.json'), 'utf8'), '{"nextRef":');
});

test('a competition folder that is wrong is named with what is wrong', async (t) => {
  const dir = await makeTempDir(t);
  await mkdir(join(dir, 'broken'));
  await writeFile(join(dir, 'broken/competition.json'), '{"id":"x"}');
  t.throws(() => createKaggleStandIn({ examplesDir: dir, answersDir: dir, stateDir: join(dir, 'state') }), {
    message: /broken\/competition\.json[^]*id/,
  });
});

test('as a proxy it answers for localhost and its own storage only, and forwards nothing', async (t) => {
  const { port } = await startStandIn(t);
  const ask = async (target: string): Promise<number> => {
    const response = await new Promise<{ statusCode?: number | undefined; resume: () => unknown }>((done, fail) =>
      httpRequest({ host: '127.0.0.1', port, method: 'POST', path: target, headers: { 'content-length': 0 } }, done)
        .once('error', fail)
        .end(),
    );
    response.resume();
    return response.statusCode ?? 0;
  };
  t.is(await ask(`http://localhost/api/v1/${SERVICE}/GetCompetition`), 401);
  t.is(await ask('http://example.org/'), 403);
  t.is(await ask('http://169.254.169.254/latest'), 403);
});

test('closing leaves no port open', async (t: ExecutionContext) => {
  const { standIn, apiBaseUrl, storageOrigin } = await startStandIn(t);
  await post(apiBaseUrl, `${SERVICE}/GetCompetition`, { competitionName: SLUG });
  await standIn.close();
  for (const url of [apiBaseUrl, storageOrigin]) await t.throwsAsync(fetch(url));
});
