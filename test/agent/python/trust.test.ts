import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Evaluation } from '#agent/evaluate/harness-protocol.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { gradeFolds, openCut, writeOutput } from './_grading.ts';
import type { Scorer } from './_grading.ts';
import { byFold, fixTask, makeCsv, makeFolder, makeRandom, openHarness, writeFiles } from './_harness.ts';

type Random = () => number;

/** A number with mean 0 and standard deviation 1. */
const normal = (random: Random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

interface Row {
  readonly features: readonly (string | number)[];
  readonly target: number;
}

/** Files of a competition whose rows are made by `row`; test rows by `testRow`, where they are others. */
function makeCompetition(params: {
  readonly names: readonly string[];
  readonly row: (index: number) => Row;
  readonly testRow?: (index: number) => Row;
  readonly rows?: number;
  readonly tests?: number;
}): Record<string, string> {
  const { names, row, testRow = row, rows = 300, tests = 150 } = params;
  const train = Array.from({ length: rows }, (_, index) => row(index));
  const answered = Array.from({ length: tests }, (_, index) => testRow(rows + index));
  return {
    'train.csv': makeCsv(['id', ...names, 'target'], rows, (i) => [i + 1, ...(train[i]?.features ?? []), train[i]?.target ?? 0]),
    'test.csv': makeCsv(['id', ...names], tests, (i) => [rows + i + 1, ...(answered[i]?.features ?? [])]),
    'sample_submission.csv': makeCsv(['id', 'target'], tests, (i) => [rows + i + 1, 0.5]),
  };
}

/** Two features that tell the class with an AUC of about 0.8, and what else a test adds to a row. */
function makeRows(seed: number, isClass: boolean, more: (target: number, random: Random) => readonly (string | number)[] = () => []) {
  const random = makeRandom(seed);
  return (): Row => {
    const [a, b] = [normal(random), normal(random)];
    const hidden = a + 0.5 * b + normal(random);
    const target = isClass ? (hidden > 0 ? 1 : 0) : Number(hidden.toFixed(4));
    return { features: [a.toFixed(4), b.toFixed(4), ...more(target, random)], target };
  };
}

const byA: Scorer = (row) => 1 / (1 + Math.exp(-Number(row['a'])));

/** What the harness says of a solution that answers by feature `a`. */
async function judge(t: ExecutionContext, files: Record<string, string>, metric: MetricId = 'auc', scorer = byA): Promise<Evaluation> {
  const opened = await openCut(t, files, metric);
  await gradeFolds(t, opened, 1, scorer);
  return opened.harness.finishSolution({ solution: 1 });
}

const failed = ({ checks }: Evaluation) => checks.filter(({ ok }) => !ok).map(({ name }) => name);

for (const [metric, isClass] of [
  ['auc', true],
  ['rmse', false],
] as const) {
  test(`an honest solution on honest data is verified, with every check shown: ${metric}`, async (t) => {
    const evaluation = await judge(t, makeCompetition({ names: ['a', 'b'], row: makeRows(5, isClass) }), metric);
    t.deepEqual(evaluation.trust, { verdict: 'verified', reasons: [] }, JSON.stringify(evaluation.checks));
    t.deepEqual(
      evaluation.checks.map(({ name }) => name),
      [
        'not perfect',
        'own metric',
        'test like out-of-fold',
        'no single-column leak',
        'no more twins than in the test',
        'test rows like training rows',
      ],
    );
  });
}

test('the constant baseline waits for no check of the data', async (t) => {
  const harness = openHarness(t);
  await fixTask(t, harness, {
    dataDir: await writeFiles(t, makeCompetition({ names: ['a', 'b'], row: makeRows(5, true) })),
    metric: 'auc',
  });
  const { evaluation } = await harness.baseline({});
  t.deepEqual(evaluation.trust, { verdict: 'verified', reasons: [] });
  t.deepEqual(
    evaluation.checks.map(({ name }) => name),
    ['not perfect', 'own metric'],
  );
});

/** Leaks by strength: how far the leaking column is from the target, and how many of twenty must be found. */
const LEAKS = [
  { strength: 'strong', isClass: true, noise: 0.05, atLeast: 19, atMost: 20 },
  { strength: 'medium', isClass: true, noise: 0.28, atLeast: 19, atMost: 20 },
  { strength: 'faint', isClass: true, noise: 0.8, atLeast: 0, atMost: 0 },
  { strength: 'strong', isClass: false, noise: 0.02, atLeast: 19, atMost: 20 },
  { strength: 'medium', isClass: false, noise: 0.12, atLeast: 19, atMost: 20 },
  { strength: 'faint', isClass: false, noise: 0.8, atLeast: 0, atMost: 0 },
] as const;

for (const { strength, isClass, noise, atLeast, atMost } of LEAKS) {
  test(`of twenty ${strength} leaks of ${isClass ? 'a class' : 'a number'} at least ${atLeast} are found`, async (t) => {
    const harness = openHarness(t);
    let found = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const row = makeRows(seed, isClass, (target, random) => [(target + noise * normal(random)).toFixed(4)]);
      const files = makeCompetition({ names: ['a', 'b', 'leak'], row, rows: 1000, tests: 300 });
      await fixTask(t, harness, { dataDir: await writeFiles(t, files), metric: isClass ? 'auc' : 'rmse' });
      await harness.baseline({});
      const runs = byFold((await harness.cut({ fold_count: 2 })).runs);
      await gradeFolds(t, { harness, runs, wholeRun: null, workDir: '' }, 1, byA);
      const evaluation = await harness.finishSolution({ solution: 1 });
      const check = evaluation.checks.find(({ name }) => name === 'no single-column leak');
      if (check?.ok === false) {
        t.regex(check.detail, /"leak" alone tells "target"/);
        t.is(evaluation.trust.verdict, 'unverified');
        found += 1;
      }
    }
    t.log(`${found} of 20 found`);
    t.true(found >= atLeast && found <= atMost, `${found} of 20`);
  });
}

test('a word that names the class is found as well as a number', async (t) => {
  const row = makeRows(9, true, (target, random) => [['red', 'green', 'blue', 'grey'][2 * target + Math.floor(2 * random())] ?? '']);
  const evaluation = await judge(t, makeCompetition({ names: ['a', 'b', 'colour'], row }));
  t.deepEqual(failed(evaluation), ['no single-column leak']);
  t.regex(evaluation.trust.reasons[0] ?? '', /"colour" alone tells "target" \(AUC 1\.000\): a leak, or an easy task/);
});

test('rows that repeat others in training only make a score unverified; in the test too they do not', async (t) => {
  const pool = Array.from({ length: 60 }, makeRows(3, true));
  const pick = (index: number): Row => pool[index % 60] ?? { features: [0, 0], target: 0 };
  const fresh = makeRows(4, true);
  const evaluation = await judge(t, makeCompetition({ names: ['a', 'b'], row: pick, testRow: fresh }));
  t.true(failed(evaluation).includes('no more twins than in the test'));
  t.is(evaluation.trust.verdict, 'unverified');
  t.regex(evaluation.trust.reasons.join(), /9\d% of the scored rows repeat a training row, 0% of the test rows do/);
  const both = await judge(t, makeCompetition({ names: ['a', 'b'], row: pick }));
  t.false(failed(both).includes('no more twins than in the test'));
});

test('a test set of another kind makes a score unverified, and names the column', async (t) => {
  const train = makeRows(3, true);
  const later = makeRows(4, true);
  const moved = (): Row => {
    const { features, target } = later();
    return { features: [features[0] ?? 0, (Number(features[1]) + 4).toFixed(4)], target };
  };
  const evaluation = await judge(t, makeCompetition({ names: ['a', 'b'], row: train, testRow: moved }));
  t.deepEqual(failed(evaluation), ['test rows like training rows']);
  t.regex(evaluation.trust.reasons[0] ?? '', /a model tells them apart with AUC 0\.9\d\d, most by "b"/);
});

test('codes that never repeat do not tell the test apart, codes of its own do', async (t) => {
  const random = makeRandom(6);
  const ownCode = () => [`B00${Math.floor(random() * 1e9).toString(36)}`];
  const fresh = await judge(t, makeCompetition({ names: ['a', 'b', 'code'], row: makeRows(3, true, ownCode) }));
  t.deepEqual(fresh.trust, { verdict: 'verified', reasons: [] });
  // Names of files in the order of the rows, the test's after all others.
  let number = 0;
  const ownName = () => [`${String((number += 1)).padStart(6, '0')}.png`];
  const named = await judge(t, makeCompetition({ names: ['a', 'b', 'file'], row: makeRows(3, true, ownName) }));
  t.deepEqual(named.trust, { verdict: 'verified', reasons: [] });
  const codeOf = (letter: string) => () => [`${letter}${Math.floor(random() * 5)}`];
  const apart = { row: makeRows(3, true, codeOf('k')), testRow: makeRows(4, true, codeOf('m')) };
  const moved = await judge(t, makeCompetition({ names: ['a', 'b', 'code'], ...apart }));
  t.deepEqual(failed(moved), ['test rows like training rows']);
});

test('a perfect score is unverified', async (t) => {
  const row = makeRows(3, true, (target) => [target]);
  const evaluation = await judge(t, makeCompetition({ names: ['a', 'b', 'answer'], row }), 'auc', (each) => each['answer'] ?? '0');
  t.true(failed(evaluation).includes('not perfect'));
  t.is(evaluation.trust.verdict, 'unverified');
});

test('a metric that is not the competition’s own leaves every score unverified', async (t) => {
  const harness = openHarness(t);
  const dataDir = await writeFiles(t, makeCompetition({ names: ['a', 'b'], row: makeRows(5, true) }));
  await fixTask(t, harness, { dataDir, metric: 'auc', proxy: true });
  t.like((await harness.baseline({})).evaluation.trust, { verdict: 'unverified' });
});

test('a program that answers the test otherwise than the scored rows is suspect, and so is every blend with it', async (t) => {
  const files = makeCompetition({ names: ['a', 'b'], row: makeRows(5, true), rows: 100, tests: 400 });
  const opened = await openCut(t, files, 'auc');
  for (const [solution, inTest] of [
    [1, byA],
    [2, () => 0.99],
  ] as const) {
    await gradeFolds(t, opened, solution, byA);
    const outDir = join(await makeFolder(t), 'final');
    if (opened.wholeRun === null) throw new Error('a test of four times the rows needs a run of its own');
    await writeOutput(outDir, opened.wholeRun, inTest);
    t.is((await opened.harness.takeFinal({ solution, out_dir: outDir })).failure, null);
  }
  t.is((await opened.harness.finishSolution({ solution: 1 })).trust.verdict, 'verified');
  const cheat = await opened.harness.finishSolution({ solution: 2 });
  t.is(cheat.trust.verdict, 'suspect');
  t.regex(cheat.trust.reasons[0] ?? '', /differ by at most \d\.\d\d standard deviations/);
  const { evaluation } = await opened.harness.blend({ solution: 3, members: [1, 2], families: ['a', 'b'] });
  t.is(evaluation.trust.verdict, 'suspect');
  t.regex(evaluation.trust.reasons.join(), /blended from suspect solutions: #2/);
  const path = join(opened.workDir, 'state.npz');
  await opened.harness.saveState({ path, solutions: [2] });
  t.deepEqual((await opened.harness.loadState({ path })).evaluations[0]?.trust, cheat.trust, 'a resumed attempt knows it too');
});
