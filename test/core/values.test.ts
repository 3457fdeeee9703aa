import test from 'ava';
import fc from 'fast-check';
import { buildJobName, keys, padSeq, shortId } from '#core/names.ts';
import { canonicalJson } from '#core/canonical.ts';
import { computeBackoffDelayMs } from '#core/retry.ts';
import { forEachLimited } from '#core/concurrency.ts';
import { formatCpu, formatMemory, parseCpuMillis, parseMemoryBytes } from '#core/quantity.ts';

const ID = '0190aaaa-0000-7000-8000-0000deadbeef';

test('the short id is the last 8 hex digits, since the first ones of a UUIDv7 are the clock', (t) => {
  t.is(shortId(ID), 'deadbeef');
});

test('job names are the documented form, with the attempt from the second on', (t) => {
  t.is(buildJobName('titanic', ID, 1), 'kaggle-titanic-deadbeef');
  t.is(buildJobName('AI4Code', ID, 2), 'kaggle-ai4code-deadbeef-a2');
});

test('job names are DNS labels of at most 63 characters for any slug', (t) => {
  const slugs = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9-]{0,119}$/);
  fc.assert(
    fc.property(slugs, fc.integer({ min: 1, max: 10 }), (slug, attempt) => {
      const name = buildJobName(slug, ID, attempt);
      return name.length <= 63 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name);
    }),
  );
  t.pass();
});

test('padded sequence numbers list in their own order', (t) => {
  t.true(padSeq(9) < padSeq(10));
  t.is(keys.event(ID, 2, 7), `jobs/${ID}/a2/events/00000007`);
});

test('CPU quantities: Kubernetes forms are read, all else is refused', (t) => {
  t.is(parseCpuMillis('1'), 1000);
  t.is(parseCpuMillis('0.5'), 500);
  t.is(parseCpuMillis('250m'), 250);
  for (const bad of ['', 'abc', '-1', '0', '1e3', '0.0001', '1 ', 'm', '99999999']) t.is(parseCpuMillis(bad), null, bad);
});

test('memory quantities: Kubernetes forms are read, all else is refused', (t) => {
  t.is(parseMemoryBytes('2Gi'), 2 ** 31);
  t.is(parseMemoryBytes('8G'), 8e9);
  t.is(parseMemoryBytes('1.5Gi'), 1.5 * 2 ** 30);
  t.is(parseMemoryBytes('1048576'), 2 ** 20);
  for (const bad of ['', 'abc', '-1Gi', '0', '2gi', '2 Gi', 'Gi']) t.is(parseMemoryBytes(bad), null, bad);
});

test('quantities are written back in the shortest form', (t) => {
  t.deepEqual([formatCpu(2000), formatCpu(1500), formatMemory(2048), formatMemory(1500)], ['2', '1500m', '2Gi', '1500Mi']);
});

test('canonical JSON ignores the order of members and members that mean nothing', (t) => {
  t.is(canonicalJson({ b: [1, { z: 1, a: 2 }], a: null, c: undefined }), canonicalJson({ b: [1, { a: 2, z: 1 }] }));
  t.not(canonicalJson({ a: [1, 2] }), canonicalJson({ a: [2, 1] }));
  t.is(canonicalJson('é"'), '"é\\""');
});

test('backoff grows, stays under its cap, and is never negative', (t) => {
  const policy = { initialMs: 100, factor: 2, maxMs: 1000 };
  t.is(
    computeBackoffDelayMs(policy, 1, () => 0),
    50,
  );
  t.is(
    computeBackoffDelayMs(policy, 3, () => 1),
    400,
  );
  fc.assert(
    fc.property(fc.nat(), fc.double({ min: 0, max: 0.999, noNaN: true }), (tries, random) => {
      const delay = computeBackoffDelayMs(policy, tries, () => random);
      return delay >= 50 && delay <= 1000;
    }),
  );
});

test('limited work keeps to its limit, and reports the first error only after all has settled', async (t) => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  const work = forEachLimited([1, 2, 3, 4, 5], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
    if (item === 2) throw new Error('two');
    done.push(item);
  });
  await t.throwsAsync(work, { message: 'two' });
  t.deepEqual(done, [1, 3, 4, 5]);
  t.is(most, 2);
});

test('canonical JSON of what JSON has no word for is null', (t) => {
  t.is(canonicalJson([undefined, () => 1]), '[null,null]');
});

test('every key of a job lies under its own prefix', (t) => {
  const attempt = [keys.claim, keys.eventPrefix, keys.manifest, keys.bestPrefix, keys.logPrefix].map((key) => key(ID, 2));
  attempt.push(keys.file(ID, 2, 'f'), keys.best(ID, 2, 1), keys.bestFile(ID, 2, 1), keys.log(ID, 2, 1), keys.event(ID, 2, 1));
  t.true(attempt.every((key) => key.startsWith(keys.attemptPrefix(ID, 2))));
  const job = [keys.journalPrefix(ID), keys.journal(ID, 1), keys.state(ID, 's'), keys.solution(ID, 1, 'n')];
  t.true([...attempt, ...job].every((key) => key.startsWith(`jobs/${ID}/`)));
  t.is(keys.result(ID, 2, 'submission.csv'), `results/${ID}/a2/submission.csv`);
  t.is(new Set([...attempt, ...job]).size, attempt.length + job.length);
});
