import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import type { JobError } from '#core/job.ts';
import type { PlainEvent } from '#core/events.ts';
import { AgentHint } from '#core/events.ts';
import { BestRecord } from '#core/report.ts';
import { HarnessFailure } from '#agent/harness-port.ts';
import { KaggleError } from '#core/kaggle.ts';
import { keys } from '#core/names.ts';
import { nameSubmission } from '#agent/report/plain-csv.ts';
import { makeToken, signHint, verifyHint } from '#adapters/signing.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { runAgent } from '#agent/run.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { unavailable } from '#core/errors.ts';
import { wrapWrites } from '#agent/storing.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import {
  PROFILE,
  createScriptedHarness,
  createScriptedKaggle,
  createScriptedSandbox,
  makeAgentParams,
  makeSpec,
} from '../_support/agent-parts.ts';
import { makeStore, readEvents, readResultFile, readText, readValidManifest } from '../_support/agent-store.ts';

test('an attempt claims, tries its recipes, blends, stores every file and writes the manifest last', async (t) => {
  const { dir, store } = await makeStore(t);
  const order: string[] = [];
  const watched = wrapWrites(store, async ({ key, write }) => {
    order.push(key);
    return write();
  });
  const params = await makeAgentParams(dir, watched);
  const { jobId } = params.spec;
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, jobId, 1);
  t.is(manifest.quality, 'model');
  t.is(manifest.cv?.score, 2.75);
  t.is(manifest.bestSolution, 4);
  t.deepEqual(
    manifest.files.map((file) => file.name),
    [
      'submission.csv',
      'solution.py',
      'blend.json',
      'solution-1.py',
      'solution-2.py',
      'solution-3.py',
      'notebook.ipynb',
      'evidence.json',
      'journal.jsonl',
      'report.html',
    ],
  );
  t.is(await readResultFile(store, params.spec, 'submission.csv'), 'id,y\n1,2.75\n');
  const last = order.filter((key) => !key.includes('/events/') && !key.includes('/logs/')).at(-1);
  t.is(last, keys.manifest(jobId, 1));
  const events = await readEvents(store, jobId, 1);
  t.is(events[0]?.type, 'started');
  const exited = events.at(-1);
  t.true(exited?.type === 'exited' && exited.exitCode === 0 && exited.error === null);
  t.is(events.filter((event) => event.type === 'improved').length, 4, 'baseline, recipe 1, recipe 2, blend');
});

test('evidence and journal of a result agree, and the chain verifies', async (t) => {
  const { dir, store } = await makeStore(t);
  const params = await makeAgentParams(dir, store);
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  const lines = (await readResultFile(store, params.spec, 'journal.jsonl')).trimEnd().split('\n');
  const verified = verifyJournal(lines);
  t.deepEqual(manifest.journal, { lastSeq: verified.lastSeq, hash: verified.hash });
  t.deepEqual(lines, await readSegments(store, params.spec.jobId));
  const Evidence = z.object({
    journal: z.object({ seq: z.int(), hash: z.string() }),
    seconds: z.record(z.string(), z.number()),
    totalSeconds: z.number(),
  });
  const evidence = Evidence.parse(JSON.parse(await readResultFile(store, params.spec, 'evidence.json')));
  t.deepEqual(evidence.journal, { seq: verified.lastSeq, hash: verified.hash });
  const sum = Object.values(evidence.seconds).reduce((total, seconds) => total + seconds, 0);
  t.true(Math.abs(sum - evidence.totalSeconds) < 0.25, `${sum} of ${evidence.totalSeconds}`);
});

test('every improvement is stored with its file before it is said', async (t) => {
  const { dir, store } = await makeStore(t);
  const params = await makeAgentParams(dir, store);
  const { jobId } = params.spec;
  await runAgent(params);
  for (const [seq, score] of [10, 5, 3, 2.75].entries()) {
    const record = BestRecord.parse(JSON.parse(await readText(store, keys.best(jobId, 1, seq + 1))));
    t.is(record.cv?.score, score);
    t.is(record.quality, seq === 0 ? 'fallback' : 'model');
    t.is(await readText(store, record.file.key), `id,y\n1,${score}\n`);
  }
});

test('hints carry the number of what was stored and a signature of the attempt', async (t) => {
  const { dir, store } = await makeStore(t);
  const sent: PlainEvent[] = [];
  const sink = { send: async (event: PlainEvent) => void sent.push(event) };
  const spec = makeSpec();
  const token = makeToken('plane key', spec.jobId, 1, new Date(Date.now() + 60_000));
  const params = await makeAgentParams(dir, store, { spec, sink, sign: (id) => signHint(token, id) });
  t.is(await runAgent(params), 0);
  t.true(sent.length >= 2);
  const events = await readEvents(store, spec.jobId, 1);
  t.is(AgentHint.parse(sent.at(-1)?.data).seq, events.length);
  t.is(sent.at(-1)?.type, 'dev.kaggle-agent.job.exited.v1');
  for (const event of sent) {
    const signature = String(event.extensions['signature']);
    const checked = { planeKey: 'plane key', jobId: spec.jobId, attempt: 1, eventId: event.id, signature, now: new Date() };
    t.true(verifyHint(checked));
    t.false(verifyHint({ ...checked, attempt: 2 }));
    t.false(verifyHint({ ...checked, planeKey: 'other' }));
  }
});

test('a sink that never answers and one that always fails hold nothing up', async (t) => {
  for (const send of [() => new Promise<void>(() => undefined), () => Promise.reject(unavailable('down'))]) {
    const { dir, store } = await makeStore(t);
    const sink = { send: (_event: PlainEvent, { timeoutMs }: { timeoutMs: number }) => Promise.race([send(), rejectAfter(timeoutMs)]) };
    const params = await makeAgentParams(dir, store, { sink, voiceTimings: { coalesceMs: 100, heartbeatMs: 25_000, hintTimeoutMs: 50 } });
    t.is(await runAgent(params), 0);
  }
});

function rejectAfter(ms: number): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(unavailable('timeout')), ms));
}

test('storage that refuses every third write, and loses every fifth reply, changes nothing', async (t) => {
  const { dir, store } = await makeStore(t);
  let writes = 0;
  const flaky = wrapWrites(store, async ({ write }) => {
    writes += 1;
    if (writes % 3 === 0) throw unavailable('storage is away');
    const outcome = await write();
    if (writes % 5 === 0) throw unavailable('the reply was lost');
    return outcome;
  });
  const params = await makeAgentParams(dir, flaky);
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.cv?.score, 2.75);
  t.true(verifyJournal(await readSegments(store, params.spec.jobId)).lastSeq > 5);
});

test('a process that lost the claim ends with 76 and stores nothing', async (t) => {
  const { dir, store } = await makeStore(t);
  const first = await makeAgentParams(dir, store);
  t.is(await runAgent(first), 0);
  const before = await store.listObjects({ prefix: 'jobs/', after: null, limit: 1000 });
  const second = await makeAgentParams(dir, store, { spec: first.spec, startHarness: () => t.fail('a harness was started') as never });
  t.is(await runAgent(second), 76);
  t.deepEqual(await store.listObjects({ prefix: 'jobs/', after: null, limit: 1000 }), before);
});

test('when every recipe fails the constant is handed in as what it is', async (t) => {
  const { dir, store } = await makeStore(t);
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async () => ({
    exitClass: 'crashed',
    exitCode: 1,
    seconds: 0.1,
    peakMemoryMib: 1,
    tail: 'ValueError: no\n',
    frame: null,
  }));
  const params = await makeAgentParams(dir, store, { sandbox });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.quality, 'fallback');
  t.is(manifest.bestSolution, 0);
  t.regex(manifest.notes[0] ?? '', /^Fallback: .*constant.*All 3 models failed.*ValueError: no/);
  t.false(manifest.files.some((file) => file.name === 'solution.py'));
  t.regex(await readResultFile(store, params.spec, 'report.html'), /constant baseline: no model/);
});

test('a refit comes after the folds of each solution, and one that fails takes nothing away', async (t) => {
  const { dir, store } = await makeStore(t);
  const called: string[] = [];
  let runs = 0;
  const crashed = { exitClass: 'crashed', exitCode: 1, seconds: 0.01, peakMemoryMib: 1, tail: 'no such luck', frame: null } as const;
  // Three folds and a refit for each of three recipes; the refit of the second fails.
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async () => ((runs += 1) === 8 ? crashed : null));
  const said: string[] = [];
  const params = await makeAgentParams(dir, store, {
    sandbox,
    startHarness: () => createScriptedHarness(join(dir, 'harness'), (method) => void called.push(method), { hasRefit: true }),
    print: (line) => void said.push(line),
  });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.quality, 'model');
  t.is(manifest.cv?.score, 2.75);
  t.is(runs, 12 + 1, 'and a probe of the best');
  const fold = 'grade_fold';
  const graded = called.filter((method) => [fold, 'take_refit', 'finish_solution'].includes(method));
  const whole = [fold, fold, fold, 'take_refit', 'finish_solution'];
  t.deepEqual(graded, [...whole, fold, fold, fold, 'finish_solution', ...whole]);
  t.true(said.join('').includes('solution 2: the mean of the folds stays: final: the program failed (no such luck)'));
});

test('a harness that dies in the middle does not take the valid file away', async (t) => {
  const { dir, store } = await makeStore(t);
  let grades = 0;
  const onCall = (method: string): void => {
    if (method === 'grade_fold') grades += 1;
    if (grades > 4 && method !== 'hello') throw new HarnessFailure('died', 'the harness ended with code 139');
  };
  const startHarness = () => createScriptedHarness(join(dir, 'harness'), onCall);
  const params = await makeAgentParams(dir, store, { startHarness });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.cv?.score, 5, 'recipe 1 was the best when it died');
  t.true(manifest.notes.some((note) => note.includes('ended early') && note.includes('code 139')));
});

const REFUSALS: readonly [title: string, error: () => Error, exitCode: number, turn: JobError['turn'], message: RegExp][] = [
  [
    'rules not accepted',
    () => new KaggleError('rules-not-accepted', 'Accept the rules first.', { rulesUrl: 'https://www.kaggle.com/competitions/toy/rules' }),
    64,
    'caller',
    /Accept the rules first\. \(https:\/\/www\.kaggle\.com\/competitions\/toy\/rules\)/,
  ],
  [
    'an unknown competition',
    () => new KaggleError('not-found-or-private', 'No such competition: toy.'),
    64,
    'caller',
    /No such competition/,
  ],
  ['a closed competition', () => new KaggleError('closed', 'toy is closed.'), 64, 'caller', /closed/],
  ['a hostile archive', () => new KaggleError('unsafe-archive', 'The bundle holds a link.'), 64, 'caller', /link/],
  ['wrong credentials', () => new KaggleError('unauthenticated', 'Kaggle does not know this key.'), 69, 'operator', /key/],
  [
    'a Kaggle that stays away',
    () => new KaggleError('unavailable', 'Kaggle answers 503.', { retryAfterMs: 3_600_000 }),
    69,
    'retry',
    /503/,
  ],
];
for (const [title, makeError, exitCode, turn, message] of REFUSALS) {
  test(`${title} ends with ${exitCode}, says whose turn it is, and stores no result`, async (t) => {
    const { dir, store } = await makeStore(t);
    const kaggle = createScriptedKaggle(join(dir, 'kaggle.txt'), { downloadAll: () => Promise.reject(makeError()) });
    const params = await makeAgentParams(dir, store, { kaggle });
    t.is(await runAgent(params), exitCode);
    const exited = (await readEvents(store, params.spec.jobId, 1)).at(-1);
    if (exited?.type !== 'exited') return t.fail('the last event is no exit');
    t.is(exited.exitCode, exitCode);
    t.is(exited.error?.turn, turn);
    t.regex(exited.error?.message ?? '', message);
    t.is(await store.statObject(keys.manifest(params.spec.jobId, 1)), null);
  });
}

test('Kaggle that is away for a moment is asked again', async (t) => {
  const { dir, store } = await makeStore(t);
  let asked = 0;
  const real = createScriptedKaggle(join(dir, 'kaggle.txt'));
  const getPages: typeof real.getPages = async (slug) => {
    asked += 1;
    if (asked < 3) throw new KaggleError('rate-limited', 'Slow down.', { retryAfterMs: 10 });
    return real.getPages(slug);
  };
  t.is(await runAgent(await makeAgentParams(dir, store, { kaggle: { ...real, getPages } })), 0);
  t.is(asked, 3);
});

test("files that the harness can't read end with 64 and the harness's own sentence", async (t) => {
  const { dir, store } = await makeStore(t);
  const onCall = (method: string): void => {
    if (method === 'profile') throw new HarnessFailure('bad-input', 'train.csv: row 17 has 3 fields, 4 expected');
  };
  const params = await makeAgentParams(dir, store, { startHarness: () => createScriptedHarness(join(dir, 'harness'), onCall) });
  t.is(await runAgent(params), 64);
  const exited = (await readEvents(store, params.spec.jobId, 1)).at(-1);
  t.true(exited?.type === 'exited' && exited.error?.code === 'bad-input' && exited.error.message.includes('row 17'));
});

test('a limit that is over before the data were read ends with 64, and the sentence asks for more time', async (t) => {
  const { dir, store } = await makeStore(t);
  let ms = 0;
  const clock = { now: systemClock.now, monotonicMs: () => ms };
  const onCall = (method: string): void => {
    if (method !== 'cut') return;
    ms += 1000 * makeSpec().remainingS;
    throw new HarnessFailure('died', 'cut took longer than 5 s; the harness was stopped');
  };
  const params = await makeAgentParams(dir, store, { clock, startHarness: () => createScriptedHarness(join(dir, 'harness'), onCall) });
  t.is(await runAgent(params), 64);
  const exited = (await readEvents(store, params.spec.jobId, 1)).at(-1);
  t.like(exited, { type: 'exited', error: { code: 'bad-input', turn: 'caller' } });
  t.true(exited?.type === 'exited' && /^The time limit of \d+ s was over .*give the job more time/.test(exited.error?.message ?? ''));
});

test('no valid file at all is a failure, never a result', async (t) => {
  const { dir, store } = await makeStore(t);
  const real = createScriptedHarness(join(dir, 'harness'));
  const harness: typeof real = {
    ...real,
    call: async (method, params, options) => {
      const reply = await real.call(method, params, options);
      return method === 'write_submission'
        ? { ...reply, valid: false, checks: [{ name: 'ids', ok: false, detail: '3 are missing' }] }
        : reply;
    },
  };
  const params = await makeAgentParams(dir, store, { startHarness: () => harness });
  t.is(await runAgent(params), 1);
  t.is(await store.statObject(keys.manifest(params.spec.jobId, 1)), null);
  t.deepEqual(await store.listObjects({ prefix: keys.bestPrefix(params.spec.jobId, 1), after: null, limit: 10 }), []);
});

test('a submission that is asked for is sent once, after its intent was journaled, and its scores are reported', async (t) => {
  const { dir, store } = await makeStore(t);
  const real = createScriptedKaggle(join(dir, 'kaggle.txt'));
  const spec = makeSpec({ submitToKaggle: true });
  const submitFile: typeof real.submitFile = async (...args) => {
    const facts = verifyJournal(await readSegments(store, spec.jobId)).entries.map((entry) => entry.fact.type);
    t.is(facts.at(-1), 'reserved');
    return real.submitFile(...args);
  };
  t.is(await runAgent(await makeAgentParams(dir, store, { spec, kaggle: { ...real, submitFile } })), 0);
  const manifest = await readValidManifest(store, spec.jobId, 1);
  t.deepEqual(manifest.leaderboard, { public: 0.5, private: 0.6, ref: '1' });
});

test('the file goes to Kaggle under the name that the competition wants, with the ending of how it is packed', (t) => {
  const submission = (file_name: string, compression: 'none' | 'gzip' | 'zip') => ({ ...PROFILE.submission, file_name, compression });
  t.is(nameSubmission(submission('answers.csv', 'none')), 'answers.csv');
  t.is(nameSubmission(submission('answers.csv', 'gzip')), 'answers.csv.gz');
  t.is(nameSubmission(submission('answers.csv', 'zip')), 'answers.csv.zip');
  const program = (name: string) => nameSubmission({ ...submission(name, 'none'), form: 'program' });
  t.deepEqual([program('agent.py'), program('../agent.py'), program('agent.csv')], ['agent.py', 'main.py', 'main.py']);
  for (const odd of ['../answers.csv', 'answers', '', `${'a'.repeat(100)}.csv`])
    t.is(nameSubmission(submission(odd, 'none')), 'submission.csv');
});

test('a submission that Kaggle refuses leaves the result, with a note', async (t) => {
  const { dir, store } = await makeStore(t);
  const kaggle = createScriptedKaggle(join(dir, 'kaggle.txt'), {
    submitFile: () => Promise.reject(new KaggleError('daily-limit', 'No submissions are left today.')),
  });
  const params = await makeAgentParams(dir, store, { kaggle, spec: makeSpec({ submitToKaggle: true }) });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.leaderboard, null);
  t.true(manifest.notes.some((note) => note.includes('No submissions are left today')));
});
