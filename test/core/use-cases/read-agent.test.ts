import test from 'ava';
import { sha256Hex } from '#adapters/hashing.ts';
import { keys } from '#core/names.ts';
import type { BestRecord } from '#core/report.ts';
import { readClaim, takeClaim } from '#core/use-cases/claim-takeover.ts';
import { readBest, readManifest, readWords } from '#core/use-cases/read-agent.ts';
import { makeJob } from '../_jobs.ts';
import { SUBMISSION, openPlane } from './_plane.ts';

const JOB = makeJob();
const { id } = JOB;
const AT = '2026-01-01T00:00:00.000Z';
const FILE: BestRecord['file'] = {
  name: 'submission.csv',
  key: keys.file(id, 1, 'submission.csv'),
  sha256: sha256Hex(SUBMISSION),
  bytes: SUBMISSION.length,
  contentType: 'text/csv',
};

test('words are read in order up to a gap; what can’t be read is counted and passed over', async (t) => {
  const plane = await openPlane(t);
  const put = (seq: number, text: string) => plane.artifacts.createObject(keys.event(id, 1, seq), text, 'application/json');
  const started = (seq: number) => JSON.stringify({ type: 'started', seq, at: AT, podName: null });
  await put(1, started(1));
  await put(2, 'no JSON');
  await put(3, started(9));
  await put(4, `"${'x'.repeat(70_000)}"`);
  await put(5, started(5));
  await put(7, started(7));
  const words = await readWords(plane.artifacts, { jobId: id, attempt: 1, afterSeq: 0 });
  t.like(words, { lastSeq: 5, unreadable: 3, more: false });
  t.deepEqual(
    words.events.map(({ seq }) => seq),
    [1, 5],
  );
});

test('no manifest is no manifest', async (t) => {
  const plane = await openPlane(t);
  t.is(await readManifest(plane.artifacts, { jobId: id, attempt: 1 }), null);
});

test('a manifest whose files are whole is valid', async (t) => {
  const plane = await openPlane(t);
  await plane.writeManifest(JOB);
  t.like(await readManifest(plane.artifacts, { jobId: id, attempt: 1 }), { kind: 'valid' });
});

const WRONG: readonly { readonly what: string; readonly changes: Record<string, unknown>; readonly problem: RegExp }[] = [
  { what: 'of another form', changes: { quality: 'great' }, problem: /not in the agreed form/ },
  { what: 'that is too large', changes: { extra: 'x'.repeat(300_000) }, problem: /not in the agreed form/ },
  { what: 'of another job', changes: { jobId: '0190aaaa-0000-7000-8000-000000000000' }, problem: /names another attempt/ },
  { what: 'of another attempt', changes: { attempt: 2 }, problem: /names another attempt/ },
  {
    what: 'with a file outside the job',
    changes: { files: [{ ...FILE, key: 'jobs/other/a1/x' }] },
    problem: /outside the job's own folder/,
  },
  {
    what: 'with a file of a later attempt',
    changes: { files: [{ ...FILE, key: keys.file(id, 2, 'submission.csv') }] },
    problem: /outside the job's own folder/,
  },
  {
    what: 'with a file that is missing',
    changes: { files: [{ ...FILE, key: keys.file(id, 1, 'other.csv') }] },
    problem: /submission\.csv is missing/,
  },
  { what: 'with another hash', changes: { files: [{ ...FILE, sha256: 'a'.repeat(64) }] }, problem: /other bytes than its manifest says/ },
  { what: 'with another size', changes: { files: [{ ...FILE, bytes: 1 }] }, problem: /other bytes than its manifest says/ },
];

for (const { what, changes, problem } of WRONG) {
  test(`a manifest ${what} is not valid`, async (t) => {
    const plane = await openPlane(t);
    await plane.writeManifest(JOB, changes);
    const read = await readManifest(plane.artifacts, { jobId: id, attempt: 1 });
    t.is(read?.kind, 'invalid');
    t.regex(read?.kind === 'invalid' ? read.problem : '', problem);
  });
}

test('the best is the newest record whose file is whole, of the newest attempt that has one', async (t) => {
  const plane = await openPlane(t);
  const job = { ...JOB, attempt: 3 };
  t.is(await readBest(plane.artifacts, { job }), null);
  await plane.writeBest(job, 1);
  await plane.writeBest(job, 2);
  await plane.writeBest(job, 3, { file: { ...FILE, key: keys.bestFile(id, 1, 3), bytes: 1 } });
  await plane.artifacts.createObject(keys.best(id, 1, 4), 'no JSON', 'application/json');
  await plane.artifacts.createObject(keys.best(id, 1, 5), `"${'x'.repeat(70_000)}"`, 'application/json');
  t.is((await readBest(plane.artifacts, { job }))?.seq, 2);
});

test('a claim that can’t be read is still somebody’s; nobody’s is the recorder’s to take, as often as it likes', async (t) => {
  const plane = await openPlane(t);
  t.is(await readClaim(plane.artifacts, id, 1), null);
  t.is(await takeClaim(plane.artifacts, id, 1), 'recorder');
  t.is(await takeClaim(plane.artifacts, id, 1), 'recorder');
  t.deepEqual(await readClaim(plane.artifacts, id, 1), { by: 'recorder', attempt: 1 });
  await plane.artifacts.createObject(keys.claim(id, 2), 'no JSON', 'application/json');
  t.like(await readClaim(plane.artifacts, id, 2), { by: 'agent', attempt: 2 });
  t.is(await takeClaim(plane.artifacts, id, 2), 'agent');
});
