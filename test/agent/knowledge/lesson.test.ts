import test from 'ava';
import { chooseLessons, findLocalName, measureDistance, rateConfidence, rateGain, takeFingerprint } from '#agent/knowledge/lesson.ts';
import type { Fingerprint, KnownLesson } from '#agent/knowledge/lesson.ts';
import { PROFILE } from '#test/_support/agent-parts.ts';

const HERE: Fingerprint = takeFingerprint(PROFILE, { id: 'rmse' });

function known(id: string, change: Partial<KnownLesson> = {}, fingerprint: Partial<Fingerprint> = {}): KnownLesson {
  const lesson = {
    schemaVersion: 1 as const,
    claim: `claim ${id}`,
    scope: 'everywhere',
    fingerprint: { ...HERE, ...fingerprint },
    evidence: { gainInErrors: 3, folds: 5 },
    at: '2026-11-29T00:00:00.000Z',
  };
  return { id, lesson, helped: 0, tried: 0, ...change };
}

test('a fingerprint says what kind of task it is, and nothing that names it', (t) => {
  const types = { a: 'numeric', b: 'categorical', c: 'text', d: 'boolean' } as const;
  const profile = { ...PROFILE, train_rows: 1_000, feature_columns: Object.keys(types), column_types: types, media_columns: ['c'] };
  t.deepEqual(takeFingerprint(profile, { id: 'auc' }), {
    shape: 'rows',
    target: 'regression',
    metric: 'auc',
    logRows: 3,
    logColumns: Math.log10(4),
    categorical: 0.5,
    text: 0.25,
    hasMedia: true,
    hasTables: false,
  });
});

test('the nearest and best proven come first; what is far away or did not hold is not told', (t) => {
  const all = [
    known('plain'),
    known('proven', { helped: 3, tried: 3 }),
    known('failed once', { tried: 1 }),
    known('failed twice', { tried: 2 }),
    known('mixed', { helped: 1, tried: 3 }),
    known('other metric', {}, { metric: 'mae' }),
    known('pictures', {}, { hasMedia: true, shape: 'panel', target: 'binary' }),
  ];
  t.deepEqual(
    chooseLessons(all, HERE).map(({ id }) => id),
    ['proven', 'plain', 'mixed', 'failed once', 'other metric'],
  );
  t.deepEqual(chooseLessons([known('failed twice', { tried: 2 })], HERE), []);
  t.deepEqual(chooseLessons([known('pictures', {}, { hasMedia: true, shape: 'panel', target: 'binary' })], HERE), []);
  t.is(measureDistance(HERE, HERE), 0);
  t.is(rateConfidence({ helped: 0, tried: 0 }), 0.5);
  t.is(
    chooseLessons(
      Array.from({ length: 20 }, (_, i) => known(`l${i}`)),
      HERE,
    ).length,
    5,
  );
});

test('nothing is learned from a gain within twice its noise, or from none', (t) => {
  t.is(rateGain(0.5, 0.1), 5);
  for (const [gain, noise] of [
    [0.2, 0.1],
    [0, 0],
    [-1, 0.1],
    [Number.NaN, 0.1],
  ] as const)
    t.is(rateGain(gain, noise), null, `${gain} ${noise}`);
  t.is(rateGain(0.1, 0), 1_000, 'the same gain in every fold');
});

test('a lesson that names what only this competition has is found', (t) => {
  const names = ['GrLivArea', 'price', 'x', 'SibSp', 'store_id'];
  t.regex(findLocalName(['Divide GrLivArea by rooms', 's'], names) ?? '', /GrLivArea/);
  t.regex(findLocalName(['c', 'where there is a store_id'], names) ?? '', /store_id/);
  t.is(findLocalName(['The log of a price is easier', 'x and y'], names), null, 'plain words and single letters say nothing');
  t.is(findLocalName(['grlivarea'], names), null);
});
