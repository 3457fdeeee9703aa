import { createHash } from 'node:crypto';
import test from 'ava';
import { HarnessFailure } from '#agent/harness-port.ts';
import { compareWithLeaderboard } from '#agent/phases/expect.ts';
import { gradeFolds, openCut } from './_grading.ts';
import type { Scorer } from './_grading.ts';
import { byFold, fixTask, makeCsv, makeRandom, openHarness, writeFiles } from './_harness.ts';

const normal = (random: () => number) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** A number that `x` tells up to noise of standard deviation 1, and the root mean square error of that answer in half of the test. */
function makeNumbers(seed: number, rows: number, tests: number): { files: Record<string, string>; testRmse: number } {
  const random = makeRandom(seed);
  let squares = 0;
  const cells = Array.from({ length: rows + tests }, (_, index) => {
    const x = Number((3 * normal(random)).toFixed(4));
    const noise = normal(random);
    if (index >= rows + tests / 2) squares += noise ** 2;
    return [index + 1, x, Number((x + noise).toFixed(6))] as const;
  });
  const files = {
    'train.csv': makeCsv(['id', 'x', 'other', 'target'], rows, (i) => [cells[i]?.[0] ?? 0, cells[i]?.[1] ?? 0, i % 7, cells[i]?.[2] ?? 0]),
    'test.csv': makeCsv(['id', 'x', 'other'], tests, (i) => [cells[rows + i]?.[0] ?? 0, cells[rows + i]?.[1] ?? 0, i % 7]),
    'sample_submission.csv': makeCsv(['id', 'target'], tests, (i) => [cells[rows + i]?.[0] ?? 0, 0]),
  };
  return { files, testRmse: Math.sqrt(squares / (tests / 2)) };
}

const byX: Scorer = (row) => Number(row['x']);

/** Noise that is the same for the same row: a model without any skill. */
const guess =
  (seed: number): Scorer =>
  (row) =>
    createHash('sha256').update(`${seed} ${row['x']} ${row['other']}`).digest().readUInt32BE() / 2 ** 32;

test('the interval holds the score of half the test set about 19 times in 20', async (t) => {
  const harness = openHarness(t);
  let inside = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const { files, testRmse } = makeNumbers(seed, 200, 100);
    await fixTask(t, harness, { dataDir: await writeFiles(t, files), metric: 'rmse' });
    const runs = byFold((await harness.cut({ fold_count: 2 })).runs);
    await gradeFolds(t, { harness, runs, wholeRun: null, workDir: '' }, 1, byX);
    const { score } = await harness.finishSolution({ solution: 1 });
    const { expected } = await harness.expectScore({ solution: 1, candidates: [1] });
    if (expected === null) throw new Error('200 rows are enough');
    t.like(expected, { score, selection: 0, candidates: 1 });
    if (testRmse >= expected.low && testRmse <= expected.high) inside += 1;
  }
  t.log(`${inside} of 40 inside`);
  t.true(inside >= 34, `${inside} of 40`);
});

test('the best of many that know nothing is expected to know nothing', async (t) => {
  const random = makeRandom(11);
  const files = {
    'train.csv': makeCsv(['id', 'x', 'other', 'target'], 200, (i) => [i + 1, random().toFixed(5), i % 7, random() < 0.5 ? 1 : 0]),
    'test.csv': makeCsv(['id', 'x', 'other'], 100, (i) => [201 + i, random().toFixed(5), i % 7]),
    'sample_submission.csv': makeCsv(['id', 'target'], 100, (i) => [201 + i, 0.5]),
  };
  const opened = await openCut(t, files, 'auc');
  const scores: [number, number][] = [];
  for (let solution = 1; solution <= 15; solution += 1) {
    await gradeFolds(t, opened, solution, guess(solution));
    scores.push([(await opened.harness.finishSolution({ solution })).score, solution]);
  }
  const [score = 0, solution = 0] = scores.toSorted((left, right) => right[0] - left[0])[0] ?? [];
  t.true(score > 0.53, 'somebody is lucky');
  const { expected } = await opened.harness.expectScore({ solution, candidates: scores.map(([, number]) => number) });
  t.true(expected !== null && expected.selection > 0.02, JSON.stringify(expected));
  t.true(expected !== null && Math.abs(expected.score - 0.5) < Math.abs(score - 0.5) / 2, `${score} ${JSON.stringify(expected)}`);
  t.true(expected !== null && expected.low < 0.5 && expected.high > 0.5);
});

test('only finished solutions, each once, with the chosen one among them', async (t) => {
  const { files } = makeNumbers(1, 60, 30);
  const opened = await openCut(t, files, 'rmse');
  await gradeFolds(t, opened, 1, byX);
  const ask = (solution: number, candidates: number[]) => opened.harness.expectScore({ solution, candidates });
  await t.throwsAsync(ask(1, [1]), { instanceOf: HarnessFailure }, 'it is not finished');
  await opened.harness.finishSolution({ solution: 1 });
  for (const candidates of [[0], [1, 1], [1, 2]]) await t.throwsAsync(ask(1, candidates), { instanceOf: HarnessFailure });
  t.not((await ask(1, [0, 1])).expected, null);
});

test('a leaderboard outside the interval is told, one inside or silent is not', (t) => {
  const expected = { score: 0.8, low: 0.75, high: 0.85, selection: 0, candidates: 1 };
  t.deepEqual(compareWithLeaderboard(expected, { public: 0.76, private: null }), []);
  t.deepEqual(compareWithLeaderboard(null, { public: 0.1, private: 0.1 }), []);
  t.deepEqual(compareWithLeaderboard(expected, { public: 0.9, private: 0.7 }), [
    'The public score 0.9 is outside what was expected, 0.75 to 0.85.',
    'The private score 0.7 is outside what was expected, 0.75 to 0.85.',
  ]);
});
