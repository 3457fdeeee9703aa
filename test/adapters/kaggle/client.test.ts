import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, cp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { authorizationHeader } from '#adapters/kaggle/transport.ts';
import type { KaggleErrorKind, KaggleTurn } from '#core/kaggle-error.ts';
import { KaggleError } from '#core/kaggle-error.ts';
import { DEMO_USER } from '#local/kaggle/server.ts';
import { connectClient, createManualClock, makeTempDir, startStandIn } from '#test/_support/kaggle-stand-in.ts';

const SLUG = 'ames-house-prices';
const examples = resolve(import.meta.dirname, '../../../examples');
const sample = join(examples, SLUG, 'data/sample_submission.csv');

async function kaggleErrorOf(t: ExecutionContext, promise: Promise<unknown>): Promise<KaggleError> {
  const error = await t.throwsAsync(promise, { instanceOf: KaggleError });
  return error ?? new KaggleError('refused', 'no error');
}

/** The examples with one large file of noise: long enough that the first half has arrived when a connection breaks. */
async function makeLargeExample(t: ExecutionContext): Promise<string> {
  const dir = await makeTempDir(t);
  await cp(join(examples, SLUG), join(dir, SLUG), { recursive: true });
  await writeFile(join(dir, SLUG, 'data/noise.bin'), randomBytes(6 * 1024 * 1024));
  return dir;
}

/** A server that answers every request the same way, for what the stand-in cannot be made to say. */
async function serve(t: ExecutionContext, status: number, body: string, headers: Record<string, string> = {}): Promise<string> {
  const server = createServer((request, response) => request.resume().once('end', () => response.writeHead(status, headers).end(body)));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => void server.close().closeAllConnections());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}/api/v1`;
}

test('a competition, its pages and its files are read', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  const competition = await client.getCompetition(SLUG);
  t.is(competition.slug, SLUG);
  t.is(competition.evaluationMetric, 'Root Mean Squared Logarithmic Error');
  t.true(competition.userHasEntered);
  t.is(competition.deadline?.toISOString(), '2099-01-01T00:00:00.000Z');
  t.is((await client.getCompetition('telco-churn')).evaluationMetric, null, 'a metric that is not told');
  const pages = await client.getPages(SLUG);
  t.deepEqual(
    pages.map((page) => page.name),
    ['Description', 'Evaluation', 'data-description', 'rules'],
  );
  t.regex(pages[1]?.content ?? '', /Root Mean Squared Logarithmic Error/);
  t.deepEqual(
    (await client.listFiles(SLUG)).map((file) => file.name),
    ['sample_submission.csv', 'test.csv', 'train.csv'],
  );
});

test('the three kinds of credentials open the door, others do not', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { username, key, token } = DEMO_USER;
  for (const credentials of [{ token }, { username, key }, { username, key: token }])
    t.is(await connectClient(apiBaseUrl, { credentials }).client.whoAmI(), 'demo');
  for (const credentials of [{ token: 'KGAT_wrong' }, { username, key: 'wrong' }, null]) {
    const { client } = connectClient(apiBaseUrl, { credentials });
    t.is(await client.whoAmI(), null);
    const error = await kaggleErrorOf(t, client.getCompetition(SLUG));
    t.is(error.kind, 'unauthenticated');
    t.regex(error.message, /settings\/api/);
    t.notRegex(JSON.stringify({ ...error, message: error.message }), /KGAT_wrong/);
  }
});

test('a token in the key slot is sent as a token', (t) => {
  t.is(authorizationHeader({ username: 'a', key: 'KGAT_x' }), 'Bearer KGAT_x');
  t.is(authorizationHeader({ username: 'a', key: 'b' }), `Basic ${btoa('a:b')}`);
});

test('the bundle is downloaded, checked and unpacked to the very files that are served', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  const dir = await makeTempDir(t);
  const seen: number[] = [];
  const download = await client.downloadAll(SLUG, dir, { onProgress: ({ bytes }) => seen.push(bytes) });
  t.is(seen.at(-1), download.bytes);
  t.truthy(download.md5);
  t.false(download.resumed);
  const files = await client.unpack(download.path, join(dir, 'data'));
  t.deepEqual(
    files.map((file) => file.path),
    ['sample_submission.csv', 'test.csv', 'train.csv'],
  );
  t.deepEqual(await readFile(join(dir, 'data/train.csv')), readFileSync(join(examples, SLUG, 'data/train.csv')));
  t.deepEqual(await readdir(dir), [`${SLUG}.zip`, 'data'].toSorted());
  const stored = standIn.control.requests().filter((request) => request.side === 'storage');
  t.true(stored.length > 0 && stored.every((request) => request.authorization === null), 'no Authorization at storage');
});

test('a download that breaks off goes on where it stopped', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t, { examplesDir: await makeLargeExample(t) });
  const { client } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'storage.get', kind: 'cut', times: 2 });
  const download = await client.downloadAll(SLUG, await makeTempDir(t));
  t.true(download.resumed);
  const statuses = standIn.control
    .requests()
    .filter((request) => request.side === 'storage')
    .map((request) => request.status);
  t.deepEqual(statuses, [200, 206, 206]);
});

test('a part file of an earlier process is continued, one of another object is thrown away', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t, { examplesDir: await makeLargeExample(t) });
  const dir = await makeTempDir(t);
  const part = join(dir, `${SLUG}.zip.part`);
  standIn.control.addFault({ place: 'storage.get', kind: 'cut' });
  await kaggleErrorOf(t, connectClient(apiBaseUrl, { maxTries: 1 }).client.downloadAll(SLUG, dir));
  t.true((await readFile(part)).length > 0);
  t.true((await connectClient(apiBaseUrl).client.downloadAll(SLUG, dir)).resumed);

  await writeFile(part, 'bytes of something else');
  await writeFile(`${part}.json`, JSON.stringify({ md5: 'AAAA', lastModified: null, totalBytes: 99 }));
  const again = await connectClient(apiBaseUrl).client.downloadAll(SLUG, dir);
  await connectClient(apiBaseUrl).client.unpack(again.path, join(dir, 'data'));
});

test('without an md5 a part file is continued only when the object has the same time', async (t) => {
  const dir = await makeTempDir(t);
  const ranges: (string | null)[] = [];
  const { client } = connectClient('https://api.kaggle.com/v1', {
    fetch: async (input, init) => {
      if (String(input).startsWith('https://api.'))
        return new Response(null, { status: 302, headers: { location: 'https://storage.googleapis.com/b/archive.zip' } });
      const range = new Headers(init?.headers).get('range');
      ranges.push(range);
      const headers = { 'last-modified': 'Tue, 03 Mar 2026 00:00:00 GMT', 'content-length': range === null ? '3' : '1' };
      return new Response(range === null ? 'new' : 'w', {
        status: range === null ? 200 : 206,
        headers: range === null ? headers : { ...headers, 'content-range': 'bytes 2-2/3' },
      });
    },
  });
  await writeFile(join(dir, `${SLUG}.zip.part`), 'ol');
  await writeFile(
    join(dir, `${SLUG}.zip.part.json`),
    JSON.stringify({ md5: null, lastModified: 'Mon, 02 Mar 2026 00:00:00 GMT', totalBytes: 3 }),
  );
  const { path } = await client.downloadAll(SLUG, dir);
  t.is(await readFile(path, 'utf8'), 'new');
  t.deepEqual(ranges, ['bytes=2-', null]);
});

test('a complete part file is only renamed', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  const dir = await makeTempDir(t);
  const { path, md5, bytes } = await client.downloadAll(SLUG, dir);
  await copyFile(path, `${path}.part`);
  await writeFile(`${path}.part.json`, JSON.stringify({ md5, lastModified: null, totalBytes: bytes }));
  const again = await client.downloadAll(SLUG, dir);
  t.true(again.resumed);
  t.is(again.bytes, bytes);
});

test('a wrong md5, an expired address and trouble at storage are overcome', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client, waitsMs } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'storage.get', kind: 'wrong-md5' });
  standIn.control.addFault({ place: 'storage.get', kind: 'expired' });
  standIn.control.addFault({ place: 'storage.get', kind: 'unavailable', retryAfterS: 7 });
  const download = await client.downloadAll(SLUG, await makeTempDir(t));
  t.truthy(download.md5);
  t.is(waitsMs.length, 3);
  t.is(waitsMs[2], 7000);
});

test('a file over the limit is not downloaded', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl, { maxDownloadBytes: 1000 });
  t.regex((await kaggleErrorOf(t, client.downloadAll(SLUG, await makeTempDir(t)))).message, /larger than the 1000 bytes/);
});

test('an abort ends a download with the reason given', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const controller = new AbortController();
  const reason = new Error('enough');
  const promise = connectClient(apiBaseUrl).client.downloadAll(SLUG, await makeTempDir(t), {
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  t.is(await t.throwsAsync(promise), reason);
});

test('reads are tried again after trouble, as Kaggle asks, and not for ever', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client, waitsMs } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'GetCompetition', kind: 'rate-limited', retryAfterS: 9 });
  standIn.control.addFault({ place: 'GetCompetition', kind: 'rate-limited' });
  standIn.control.addFault({ place: 'GetCompetition', kind: 'unavailable' });
  standIn.control.addFault({ place: 'GetCompetition', kind: 'cut' });
  t.is((await client.getCompetition(SLUG)).slug, SLUG);
  t.is(waitsMs[0], 9000);
  t.true((waitsMs[1] ?? 0) >= 24_000, 'a rate limit without a wish waits long');
  t.is(waitsMs.length, 4);
  standIn.control.addFault({ place: 'GetCompetition', kind: 'unavailable', times: 5 });
  t.is((await kaggleErrorOf(t, client.getCompetition(SLUG))).kind, 'unavailable');
});

test('a wait longer than the cap is handed to the caller', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client, waitsMs } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'GetCompetition', kind: 'rate-limited', retryAfterS: 3600 });
  const error = await kaggleErrorOf(t, client.getCompetition(SLUG));
  t.is(error.kind, 'rate-limited');
  t.is(error.retryAfterMs, 3_600_000);
  t.deepEqual(waitsMs, []);
});

const refusals: [title: string, status: number, body: string, kind: KaggleErrorKind, turn: KaggleTurn][] = [
  ['a flat 401', 401, '{"code":401,"message":"Unauthenticated"}', 'unauthenticated', 'operator'],
  ['an unknown slug', 403, `{"error":{"code":403,"message":"Permission 'competitions.get' was denied"}}`, 'not-found-or-private', 'user'],
  ['an empty 404', 404, '', 'not-found-or-private', 'user'],
  [
    'rules by reason',
    403,
    '{"error":{"code":403,"message":"Forbidden","details":[{"reason":"RulesAcceptanceRequired"}]}}',
    'rules-not-accepted',
    'user',
  ],
  [
    'rules by words',
    403,
    `{"code":403,"message":"You must accept this competition's rules before you'll be able to download files."}`,
    'rules-not-accepted',
    'user',
  ],
  ['no team', 400, '{"error":{"code":400,"message":"You do not have a Team in this Competition."}}', 'not-entered', 'user'],
  [
    'notebooks only',
    400,
    '{"error":{"code":400,"message":"This competition only accepts Submissions from Notebooks."}}',
    'notebook-only',
    'user',
  ],
  ['the deadline', 400, '{"error":{"code":400,"message":"The deadline of this competition has passed."}}', 'closed', 'user'],
  ['another 400', 400, '{"error":{"code":400,"message":"Something"}}', 'refused', 'user'],
  ['an HTML 502', 502, '<html>Bad gateway</html>', 'unavailable', 'retry-later'],
  ['a 200 that is an error', 200, '{"code":403,"message":"Permission denied"}', 'not-found-or-private', 'user'],
  ['a 200 that is HTML', 200, '<html></html>', 'invalid-response', 'operator'],
  ['a 200 of another shape', 200, '{"title":"no ref"}', 'invalid-response', 'operator'],
  ['a 200 whose ref is no slug', 200, '{"ref":"https://www.kaggle.com/competitions/a b"}', 'invalid-response', 'operator'],
];
for (const [title, status, body, kind, turn] of refusals) {
  test(`${title} becomes ${kind}`, async (t) => {
    const { client } = connectClient(await serve(t, status, body), { maxTries: 1 });
    const error = await kaggleErrorOf(t, client.getCompetition(SLUG));
    t.is(error.kind, kind);
    t.is(error.turn, turn);
    t.true(error.message.length > 20);
  });
}

test('old spellings of a reply are read: numbers as text, statuses in lower case, missing fields', async (t) => {
  const body = JSON.stringify({
    submissions: [
      {
        ref: '123',
        status: 'SubmissionStatus.complete',
        publicScore: '0.5',
        privateScore: '',
        totalBytes: '12',
        date: '2026-01-01T00:00:00.1234567Z',
      },
      { ref: 4 },
    ],
  });
  const { client } = connectClient(await serve(t, 200, body));
  const [first, second] = await client.listSubmissions(SLUG);
  t.is(first?.status, 'complete');
  t.is(first?.publicScore, 0.5);
  t.is(first?.privateScore, null);
  t.is(second?.status, 'pending');
  t.is(second?.ref, '4');
});

for (const address of [
  'http://127.0.0.1:1/x',
  'https://evil.tld/x',
  'https://storage.googleapis.com.evil.tld/x',
  'https://a:b@storage.googleapis.com/x',
  'http://storage.googleapis.com/x',
  'file:///etc/passwd',
]) {
  test(`a redirect of the real Kaggle to ${address} is not followed`, async (t) => {
    const calls: string[] = [];
    const { client } = connectClient('https://api.kaggle.com/v1', {
      fetch: async (input) => {
        calls.push(String(input));
        return new Response(null, { status: 302, headers: { location: address } });
      },
    });
    const error = await kaggleErrorOf(t, client.downloadAll(SLUG, await makeTempDir(t)));
    t.is(error.kind, 'invalid-response');
    t.deepEqual(calls, ['https://api.kaggle.com/v1/competitions.CompetitionApiService/DownloadDataFiles']);
  });
}

test('a slug that is not one never reaches the network or the disk', async (t) => {
  const { client } = connectClient('http://127.0.0.1:9/api/v1', { maxTries: 1 });
  const dir = await makeTempDir(t);
  for (const slug of ['../x', 'a/b', '', 'x'.repeat(200)])
    t.is((await kaggleErrorOf(t, client.downloadAll(slug, dir))).kind, 'not-found-or-private');
});

test('a submission is made, scored, and made only once for the same file and message', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  const first = await client.submitFile(SLUG, sample, 'job 1 | first/try');
  t.false(first.replayed);
  const scored = await client.getSubmission(first.ref);
  t.is(scored.status, 'complete');
  t.is(scored.publicScore, 0.42535);
  t.is(scored.privateScore, 0.41815);
  t.regex(scored.description, /^job 1 first try sha256 [0-9a-f]{16}$/);
  const second = await client.submitFile(SLUG, sample, 'job 1 | first/try');
  t.deepEqual([second.ref, second.replayed], [first.ref, true]);
  t.is((await client.submitFile(SLUG, sample, 'job 2')).replayed, false);
  t.deepEqual(await client.getLimits(SLUG), { usedToday: 2, usedTotal: 2, allowedNow: 8 });
  const teams = (await client.getLeaderboard(SLUG)).map((row) => row.teamName);
  t.deepEqual(teams, ['Sample Submission Benchmark', 'demo']);
});

test('a submission whose answer was lost is found again, not sent again', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'CreateSubmission', kind: 'lost-reply' });
  const result = await client.submitFile(SLUG, sample, 'lost');
  t.true(result.replayed);
  t.is((await client.listSubmissions(SLUG)).length, 1);
});

test('a submission that may not have arrived is not repeated, and the error says what to do', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'CreateSubmission', kind: 'cut' });
  const error = await kaggleErrorOf(t, client.submitFile(SLUG, sample, 'cut'));
  t.is(error.turn, 'retry-later');
  t.regex(error.message, /submit again/);
  t.is((await client.listSubmissions(SLUG)).length, 0);
  t.is(standIn.control.requests().filter((request) => request.path.endsWith('/CreateSubmission')).length, 1);
});

test('an upload that breaks off is continued', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  standIn.control.addFault({ place: 'storage.put', kind: 'cut' });
  standIn.control.addFault({ place: 'storage.put', kind: 'unavailable' });
  const { ref } = await client.submitFile(SLUG, sample, 'broken upload');
  t.is((await client.getSubmission(ref)).status, 'complete');
});

test('the daily limit says when to come back', async (t) => {
  const clock = createManualClock('2026-03-01T20:00:00Z');
  const { apiBaseUrl } = await startStandIn(t, { clock });
  const { client } = connectClient(apiBaseUrl, { now: clock.now });
  for (let i = 0; i < 10; i += 1) await client.submitFile(SLUG, sample, `number ${i}`);
  const error = await kaggleErrorOf(t, client.submitFile(SLUG, sample, 'one too many'));
  t.is(error.kind, 'daily-limit');
  t.is(error.retryAfterMs, 4 * 3_600_000);
  t.is((await client.getLimits(SLUG)).allowedNow, 0);
  clock.advanceMs(error.retryAfterMs ?? 0);
  t.false((await client.submitFile(SLUG, sample, 'one too many')).replayed);
});

test('without the rules accepted metadata can be read, and download and submission say where to accept them', async (t) => {
  const { apiBaseUrl, standIn } = await startStandIn(t, { users: [{ ...DEMO_USER, entered: [] }] });
  const { client } = connectClient(apiBaseUrl);
  t.false((await client.getCompetition(SLUG)).userHasEntered);
  const dir = await makeTempDir(t);
  const download = await kaggleErrorOf(t, client.downloadAll(SLUG, dir));
  t.is(download.kind, 'rules-not-accepted');
  t.is(download.rulesUrl, `https://www.kaggle.com/competitions/${SLUG}/rules`);
  t.is((await kaggleErrorOf(t, client.submitFile(SLUG, sample, 'x'))).kind, 'not-entered');
  standIn.control.acceptRules('demo', SLUG);
  await client.downloadAll(SLUG, dir);
});

test('a file that is gone or not scorable is reported in words', async (t) => {
  const { apiBaseUrl } = await startStandIn(t);
  const { client } = connectClient(apiBaseUrl);
  t.regex((await kaggleErrorOf(t, client.submitFile(SLUG, '/nonexistent/submission.csv', 'x'))).message, /no file submission\.csv/);
  const short = join(await makeTempDir(t), 'short.csv');
  await copyFile(sample, short);
  await truncate(short, 1000);
  const { ref } = await client.submitFile(SLUG, short, 'short');
  const record = await client.getSubmission(ref);
  t.is(record.status, 'error');
  t.regex(record.errorDescription, /1470 rows|CSV|column/);
});
