import test from 'ava';
import { compareRuns } from '#agent/report/reproduction.ts';
import type { Reproducible } from '#agent/report/reproduction.ts';
import type { SolutionReport } from '#core/report.ts';

const HASH = 'a'.repeat(64);

const best: SolutionReport = {
  number: 1,
  title: 'One',
  kind: 'recipe',
  parents: [],
  state: 'valid',
  score: { score: 1, low: 0.8, high: 1.2 },
  foldScores: [0.9, 1.1],
  aggregate: 'mean-of-folds',
  checks: [],
  trust: null,
  seconds: 1,
  failure: null,
  codeKey: null,
  logKey: null,
};

const first: Reproducible = {
  schemaVersion: 1,
  job: { id: 'x', competition: 'toy' },
  metric: { id: 'rmse' },
  folds: { count: 2, hash: HASH },
  best,
  solutions: [best],
  submission: { sha256: HASH },
  data: [],
  versions: { python: '3.11', numpy: '1.26' },
  reproduction: {
    seed: 0,
    threads: 2,
    foldsAtOnce: 2,
    memoryMib: 1024,
    timeLimitS: 60,
    overrides: null,
    machine: { cpu: 'A', arch: 'x64' },
    programs: [{ number: 1, title: 'One', kind: 'recipe', file: 'solution-1.py', sha256: HASH, recipe: 'one', params: {} }],
  },
};

/** The second run, whose score moved by `by` in the first fold. */
function second(by: number, change: Partial<Reproducible> = {}): Reproducible {
  const score = best.score === null ? null : { ...best.score, score: best.score.score + by / 2 };
  const foldScores = best.foldScores.map((value, fold) => (fold === 0 ? value + by : value));
  const submission = by === 0 ? first.submission : { sha256: 'b'.repeat(64) };
  return { ...first, best: { ...best, score, foldScores }, submission, ...change };
}

for (const [nearness, by] of [
  ['identical', 0],
  ['equal', 1e-7],
  ['close', 0.01],
  ['different', 0.05],
] as const) {
  test(`a score that moved by ${by} in a fold is ${nearness}`, (t) => {
    const compared = compareRuns(first, second(by));
    t.is(compared.nearness, nearness);
    t.is(compared.differences.length, by === 0 ? 0 : 3);
  });
}

test('other folds, another metric or another kind of solution are never near', (t) => {
  t.is(compareRuns(first, second(0, { folds: { count: 2, hash: 'c'.repeat(64) } })).nearness, 'different');
  t.is(compareRuns(first, second(0, { metric: { id: 'mae' } })).nearness, 'different');
  t.is(compareRuns(first, second(0, { best: { ...first.best, kind: 'blend' } })).nearness, 'different');
  t.is(compareRuns(first, second(0, { best: { ...first.best, kind: 'generated' } })).nearness, 'identical');
  t.is(compareRuns(first, second(0, { best: { ...first.best, score: null } })).nearness, 'different');
});

test('another processor, version or number of threads is named, and changes no verdict', (t) => {
  if (first.reproduction === null) return t.fail();
  const reproduction = { ...first.reproduction, threads: 4, machine: { cpu: 'B', arch: 'x64' } };
  const { nearness, differences } = compareRuns(first, second(0, { reproduction, versions: { python: '3.12', numpy: '1.26' } }));
  t.is(nearness, 'identical');
  t.deepEqual(differences, ['python was 3.11, now it is 3.12', 'the processor was A, now it is B', 'it had 2 threads, now it has 4']);
});

test('a program that scored otherwise, or failed, is named', (t) => {
  const other = { ...best, score: { score: 1.01, low: 0.8, high: 1.2 } };
  t.true(compareRuns(first, second(0.02, { solutions: [other] })).differences.includes('solution 1 (One) scored 1, now 1.01'));
  const failed: SolutionReport = { ...best, score: null, state: 'failed', failure: 'out of time' };
  t.true(compareRuns(first, second(0.02, { solutions: [failed] })).differences.includes('solution 1 (One) has no score: out of time'));
});
