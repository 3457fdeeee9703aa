import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { gradeFolds, openCut } from './_grading.ts';
import type { Scorer } from './_grading.ts';
import { binaryCompetition, makeCsv, makeRandom } from './_harness.ts';

/** As near to the truth of that competition as its noise allows, shifted by what a model is wrong by. */
const near =
  (shift: number): Scorer =>
  (row) =>
    1 / (1 + Math.exp(5 + shift - Number(row['x'])));

/** Grades a solution for each scorer and blends them all; the evaluations in order, the blend's weights and score. */
async function blendOf(t: ExecutionContext, rows: number, members: readonly (readonly [family: string, scorer: Scorer])[]) {
  const opened = await openCut(t, binaryCompetition(rows, 40), 'logloss');
  const scores: number[] = [];
  for (const [index, [, scorer]] of members.entries()) {
    await gradeFolds(t, opened, index + 1, scorer);
    scores.push((await opened.harness.finishSolution({ solution: index + 1 })).score);
  }
  const solution = members.length + 1;
  const families = members.map(([family]) => family);
  const blend = await opened.harness.blend({ solution, members: members.map((_, index) => index + 1), families });
  t.true((await opened.harness.writeSubmission({ solution, path: join(opened.workDir, 'blend.csv') })).valid);
  return { scores, weights: blend.weights.map(({ weight }) => weight), score: blend.evaluation.score, opened };
}

test('what is clearly worse than the best has no part in a blend, however few the rows', async (t) => {
  const random = makeRandom(1);
  const noise: Scorer = () => random();
  const { scores, weights, score } = await blendOf(t, 300, [
    ['a', near(0)],
    ['b', near(0.4)],
    ['c', noise],
  ]);
  t.is(weights[2], 0);
  t.true((weights[0] ?? 0) > 0 && (weights[1] ?? 0) > 0);
  t.true(Math.abs(weights.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-5);
  t.true(score < Math.max(...scores.slice(0, 2)));
});

test('the best of a second family stays beside several of the first, but not where it is no better than a constant', async (t) => {
  const random = makeRandom(1);
  const weak: Scorer = (row) => 0.35 + 0.3 * Number(near(0)(row));
  const { weights } = await blendOf(t, 1200, [
    ['a', near(0)],
    ['a', near(0.1)],
    ['b', weak],
    ['b', (row) => 0.45 + 0.1 * Number(near(0)(row))],
  ]);
  t.true((weights[2] ?? 0) > 0);
  t.is(weights[3], 0);
  const useless = await blendOf(t, 1200, [
    ['a', near(0)],
    ['b', () => random()],
  ]);
  t.deepEqual(useless.weights, [1, 0]);
  t.true(Math.abs(useless.score - (useless.scores[0] ?? 0)) < 1e-12);
});

test('each member has a family', async (t) => {
  const { opened } = await blendOf(t, 300, [
    ['a', near(0)],
    ['b', near(0.4)],
  ]);
  await t.throwsAsync(opened.harness.blend({ solution: 9, members: [1, 2], families: ['a'] }), { message: /no family/ });
});

test('of many good ones a dozen are blended', async (t) => {
  const { weights } = await blendOf(
    t,
    300,
    Array.from({ length: 14 }, (_, index) => [`family ${index}`, near(index / 50)] as const),
  );
  t.is(weights.filter((weight) => weight > 0).length, 12);
});

test('with a single block of time nothing is chosen by the rows that are scored: the plain mean, for the test as well', async (t) => {
  const random = makeRandom(9);
  const day = (index: number) => new Date(Date.UTC(2020, 0, 1 + index)).toISOString().slice(0, 10);
  const files = {
    'train.csv': makeCsv(['id', 'date', 'x', 'target'], 160, (i) => [i, day(Math.floor(i / 4)), i % 10, (i % 10) + random()]),
    'test.csv': makeCsv(['id', 'date', 'x'], 40, (i) => [160 + i, day(65 + Math.floor(i / 4)), i % 10]),
    'sample_submission.csv': makeCsv(['id', 'target'], 40, (i) => [160 + i, 0]),
  };
  const opened = await openCut(t, files, 'rmse');
  t.is(opened.runs.length, 1);
  const scorers: Scorer[] = [(row) => Number(row['x']), () => 100 * random()];
  for (const [index, scorer] of scorers.entries()) {
    await gradeFolds(t, opened, index + 1, scorer);
    await opened.harness.finishSolution({ solution: index + 1 });
  }
  const { weights } = await opened.harness.blend({ solution: 3, members: [1, 2], families: ['a', 'b'] });
  t.deepEqual(
    weights.map(({ weight }) => weight),
    [0.5, 0.5],
  );
});
