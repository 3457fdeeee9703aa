import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { HarnessFailure } from '#agent/harness-port.ts';
import { gradeFolds, openCut, rowsOf } from './_grading.ts';
import { fixTask, makeCsv, makeRandom, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';

const random = makeRandom(23);
const ROWS = Array.from({ length: 240 }, (_, id) => {
  const x = Number(random().toFixed(5));
  const target = Number((10 * x + 4 * random()).toFixed(3));
  return { id, x, era: `era-${id % 12}`, weight: Number((random() < 0.1 ? 0 : 5 * random()).toFixed(3)), target };
});
const FILES = {
  'train.csv': makeCsv(['id', 'x', 'era', 'weight', 'target'], 240, (i) => Object.values(ROWS[i] ?? {}).map(String)),
  'test.csv': makeCsv(['id', 'x', 'era'], 60, (i) => [1000 + i, (i / 60).toFixed(5), `era-${i % 12}`]),
  'sample_submission.csv': makeCsv(['id', 'target'], 60, (i) => [1000 + i, 0]),
};
const answer = (x: number) => 12 * x;
const byX = (row: Record<string, string>) => answer(Number(row['x']));
const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('row weights are read from their column, weigh the score, and are shown where there are labels only', async (t) => {
  const opened = await openCut(t, FILES, 'wmae');
  const [run] = opened.runs;
  if (run === undefined) return t.fail();
  const train = readCsv(await readFile(join(run.train_dir, 'train.csv'), 'utf8'));
  t.true(train.every((row) => Number(row['row_weight']) >= 0 && !('weight' in row)));
  t.false('row_weight' in ((await rowsOf(run))[0] ?? {}));
  t.like(JSON.parse(await readFile(join(run.train_dir, 'task.json'), 'utf8')), { weight_column: 'row_weight', query_column: null });
  const grades = await gradeFolds(t, opened, 1, byX);
  for (const { fold, score } of grades) {
    const answered = await rowsOf(opened.runs[fold] ?? run);
    const scored = ROWS.filter(({ x }) => answered.some((row) => Number(row['x']) === x && row['x'] !== ''));
    const total = scored.reduce((sum, { weight }) => sum + weight, 0);
    const wanted = scored.reduce((sum, { weight, x, target }) => sum + weight * Math.abs(target - answer(x)), 0) / total;
    t.true(Math.abs((score ?? 0) - wanted) < 1e-9, `${score} is ${wanted}`);
  }
});

test('eras are found by their name, and the score is the mean over them', async (t) => {
  const opened = await openCut(t, FILES, 'spearman_by_group');
  await gradeFolds(t, opened, 1, byX);
  const { score, aggregate } = await opened.harness.finishSolution({ solution: 1 });
  const eras = new Set(ROWS.map(({ era }) => era));
  const rank = (values: readonly number[]) => values.map((value) => values.filter((other) => other < value).length);
  const correlate = (left: readonly number[], right: readonly number[]) => {
    const [l, r] = [left.map((v) => v - average(left)), right.map((v) => v - average(right))];
    const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);
    return dot(l, r) / Math.sqrt(dot(l, l) * dot(r, r));
  };
  const each = [...eras].map((era) => {
    const rows = ROWS.filter((row) => row.era === era);
    return correlate(rank(rows.map(({ target }) => target)), rank(rows.map(({ x }) => answer(x))));
  });
  t.is(aggregate, 'pooled');
  t.true(Math.abs(score - average(each)) < 1e-9, `${score} is ${average(each)}`);
});

test('the first classes are listed best first, as many as count', async (t) => {
  const classes = ['ant', 'bee', 'cat', 'dog'];
  const label = (id: number) => classes[Math.floor(4 * (ROWS[id]?.x ?? 0))] ?? 'dog';
  const files = {
    'train.csv': makeCsv(['id', 'x', 'animal'], 240, (i) => [i, ROWS[i]?.x ?? 0, label(i)]),
    'test.csv': makeCsv(['id', 'x'], 60, (i) => [1000 + i, ((i + 0.5) / 60).toFixed(5)]),
    'sample_submission.csv': makeCsv(['id', 'animal'], 60, (i) => [1000 + i, 'ant bee cat']),
  };
  const opened = await openCut(t, files, 'map_of_classes');
  const scores = (row: Record<string, string>) =>
    classes.map((_, at) => (1 / (0.01 + Math.abs(Number(row['x']) - (at + 0.5) / 4))).toFixed(6)).join(',');
  await gradeFolds(t, opened, 1, scores, { column: classes.map((name) => `animal=${name}`).join(',') });
  const { score } = await opened.harness.finishSolution({ solution: 1 });
  t.is(score, 1);
  const path = join(opened.workDir, 'submission.csv');
  t.true((await opened.harness.writeSubmission({ solution: 1, path })).valid);
  const [header, first, ...more] = (await readFile(path, 'utf8')).trim().split('\n');
  t.deepEqual([header, first, more.at(-1)], ['id,animal', '1000,ant bee cat', '1059,dog cat bee']);
});

test('sets of labels are decided by one threshold for all, and scored by row', async (t) => {
  const label = (id: number, at: number) => ((ROWS[id]?.x ?? 0) > at / 4 ? 1 : 0);
  const names = ['a', 'b', 'c'];
  const files = {
    'train.csv': makeCsv(['id', 'x', ...names], 240, (i) => [i, ROWS[i]?.x ?? 0, ...[1, 2, 3].map((at) => label(i, at))]),
    'test.csv': makeCsv(['id', 'x'], 60, (i) => [1000 + i, (i / 60).toFixed(5)]),
    'sample_submission.csv': makeCsv(['id', ...names], 60, (i) => [1000 + i, 0, 0, 0]),
  };
  const opened = await openCut(t, files, 'f1_samples');
  const near = (row: Record<string, string>) =>
    [1, 2, 3].map((at) => (0.3 + (Number(row['x']) > at / 4 ? 0.1 : -0.1)).toFixed(2)).join(',');
  await gradeFolds(t, opened, 1, near, { column: names.join(',') });
  const { score, decoder } = await opened.harness.finishSolution({ solution: 1 });
  const kept = ROWS.filter(({ x }) => x > 0.25).length / ROWS.length;
  t.true(Math.abs(score - kept) < 0.02, `${score}: rows without any label count 0, the others 1 (${kept})`);
  const thresholds = (decoder['targets'] as { threshold: number }[]).map(({ threshold }) => threshold);
  t.is(new Set(thresholds).size, 1);
  t.true((thresholds[0] ?? 1) < 0.4 && (thresholds[0] ?? 0) >= 0.2);
});

test('places are two targets, and the score is their distance', async (t) => {
  const files = {
    'train.csv': makeCsv(['id', 'x', 'latitude', 'longitude'], 240, (i) => [i, ROWS[i]?.x ?? 0, 10 * (ROWS[i]?.x ?? 0), 20]),
    'test.csv': makeCsv(['id', 'x'], 60, (i) => [1000 + i, (i / 60).toFixed(5)]),
    'sample_submission.csv': makeCsv(['id', 'latitude', 'longitude'], 60, (i) => [1000 + i, 0, 0]),
  };
  const opened = await openCut(t, files, 'haversine');
  await gradeFolds(t, opened, 1, (row) => `${10 * Number(row['x']) + 1},20`, { column: 'latitude,longitude' });
  const { score } = await opened.harness.finishSolution({ solution: 1 });
  t.true(Math.abs(score - (6371 * Math.PI) / 180) < 1e-6, String(score));
});

test('weights that are none, and a column that is missing, are said clearly', async (t) => {
  const harness = openHarness(t);
  const bad = { ...FILES, 'train.csv': FILES['train.csv'].replace(/,[\d.]+,([\d.]+)\n/, ',heavy,$1\n') };
  const dataDir = await writeFiles(t, bad);
  const profile = await harness.profile({ data_dir: dataDir, description: '', slug: 'test', metric: metricOf('wmae') });
  t.is(profile.weight_column, null);
  const fix = { data_dir: dataDir, work_dir: dataDir, metric: metricOf('wmae'), seed: 1 };
  await t.throwsAsync(harness.fixTask({ ...fix, profile }), { instanceOf: HarnessFailure, message: /wmae needs weights/ });
  await t.throwsAsync(harness.fixTask({ ...fix, profile: { ...profile, weight_column: 'weight' } }), {
    instanceOf: HarnessFailure,
    message: /the weights in "weight" must be numbers of 0 or more/,
  });
  await t.notThrowsAsync(fixTask(t, harness, { dataDir: await writeFiles(t, FILES), metric: 'wmae' }));
});
