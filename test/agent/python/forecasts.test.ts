import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { directionOf, fitMetric } from '#agent/task/metric.ts';
import { LEVELS, quantilesShape, scaledShape } from './_forecast-shapes.ts';
import { gradeFolds, openCut, rowsOf, writeOutput } from './_grading.ts';
import { fixTask, makeFolder, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import { openShape } from './_shapes.ts';

const COLUMNS = LEVELS.map((level) => `demand@${level}`).join(',');

/** Mean over rows and levels of the quantile loss. */
function meanPinball(truth: readonly number[], answers: readonly (readonly number[])[]): number {
  const losses = truth.flatMap((value, row) =>
    LEVELS.map((level, i) => {
      const error = value - (answers[row]?.[i] ?? Number.NaN);
      return Math.max(level * error, (level - 1) * error);
    }),
  );
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

for (const [columns, levels] of [
  [
    ['q0.9', 'q0.1', 'q0.5'],
    [0.9, 0.1, 0.5],
  ],
  [
    ['p5', 'p50', 'p95'],
    [0.05, 0.5, 0.95],
  ],
  [
    ['0.25', '0.75'],
    [0.25, 0.75],
  ],
  [
    ['10%', '90%'],
    [0.1, 0.9],
  ],
  [
    ['demand_quantile_2.5', 'demand_quantile_97.5'],
    [0.025, 0.975],
  ],
] as const) {
  test(`submission columns ${columns.join(', ')} are levels of one target`, async (t) => {
    const { files } = quantilesShape(60, columns);
    const profile = await openHarness(t).profile({
      data_dir: await writeFiles(t, files),
      description: '',
      slug: 'x',
      metric: metricOf('mean_pinball'),
    });
    t.like(profile.targets[0], { name: 'demand', type: 'quantile', quantiles: levels });
    t.is(profile.submission.form, 'quantiles');
    t.true(profile.warnings.some((warning) => warning.includes(`wants ${levels.length} quantiles of "demand"`)));
  });
}

test('columns that are no levels, or the same level twice, are no quantiles', async (t) => {
  for (const columns of [
    ['q0.1', 'upper'],
    ['q0.1', 'p10'],
    ['q0', 'q50'],
    ['low', 'high'],
  ]) {
    const { files } = quantilesShape(60, columns);
    const request = { data_dir: await writeFiles(t, files), description: '', slug: 'x', metric: metricOf('mean_pinball') };
    await t.throwsAsync(openHarness(t).profile(request), { message: /is neither a column of train\.csv nor a class of its target/ });
  }
});

test('quantiles are scored by the loss of their levels, and crossed ones are put in order first', async (t) => {
  const { files } = quantilesShape();
  const opened = await openCut(t, files, 'mean_pinball');
  const truth = new Map(readCsv(files['train.csv'] ?? '').map((row) => [`${Number(row['x'])} ${Number(row['z'])}`, Number(row['demand'])]));
  // The level .9 comes first: these are in the wrong order in every other row.
  const answer = (row: Record<string, string>) => {
    const middle = 3 * Number(row['x']);
    const wide = [middle + 2, middle - 2, middle];
    return Number(row['key']) % 2 === 0 ? wide : wide.toReversed();
  };
  const grades = await gradeFolds(t, opened, 1, (row) => answer(row).join(','), { column: COLUMNS });
  const evaluation = await opened.harness.finishSolution({ solution: 1 });
  for (const [fold, run] of opened.runs.entries()) {
    const rows = (await rowsOf(run)).filter((row) => truth.has(`${row['x']} ${row['z']}`));
    t.is(rows.length, grades[fold]?.rows ?? -1);
    const sorted = rows.map((row) => answer(row).toSorted((a, b) => a - b)).map(([low = 0, mid = 0, high = 0]) => [high, low, mid]);
    const labels = rows.map((row) => truth.get(`${row['x']} ${row['z']}`) ?? Number.NaN);
    t.true(Math.abs((evaluation.fold_scores[fold] ?? Number.NaN) - meanPinball(labels, sorted)) < 1e-9);
  }
  const path = join(opened.workDir, 'submission.csv');
  const reply = await opened.harness.writeSubmission({ solution: 1, path });
  t.true(reply.valid);
  t.true(reply.checks.find(({ name }) => name === 'quantiles in order')?.ok);
  const written = await readFile(path, 'utf8');
  t.is(written.split('\n')[0], 'id,q0.9,q0.1,q0.5');
  const swapped = written.replaceAll(/^(\d+),([^,]+),([^,]+),/gm, '$1,$3,$2,');
  await writeFile(path, swapped);
  const wrong = await opened.harness.validate({ path });
  t.false(wrong.valid);
  t.regex(
    wrong.checks.find(({ ok, name }) => !ok && !name.startsWith('warning'))?.detail ?? '',
    /a lower value for a higher level, the first is row 1/,
  );
});

test('the constant of a quantile task is the quantile of the labels, and decisions instead of levels are refused', async (t) => {
  const { files } = quantilesShape();
  const opened = await openCut(t, files, 'mean_pinball');
  const [run] = opened.runs;
  if (run === undefined) return t.fail();
  const out = await makeFolder(t);
  await mkdir(out, { recursive: true });
  await writeOutput(out, run, () => 1, { name: 'predictions.csv', column: 'demand' });
  const grade = await opened.harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out });
  t.regex(grade.failure ?? '', /answered in scores\.csv, one column a level: demand@0\.9, demand@0\.1, demand@0\.5/);
  const labels = readCsv(files['train.csv'] ?? '').map((row) => Number(row['demand']));
  const best = meanPinball(
    labels,
    labels.map(() => {
      const sorted = labels.toSorted((a, b) => a - b);
      return LEVELS.map((level) => sorted[Math.round(level * (sorted.length - 1))] ?? 0);
    }),
  );
  const { evaluation } = await opened.harness.baseline({});
  t.true(Math.abs(evaluation.score / best - 1) < 0.1, `${evaluation.score} is near ${best}`);
});

test('what two programs say of quantiles is blended', async (t) => {
  const opened = await openCut(t, quantilesShape().files, 'mean_pinball');
  for (const [solution, width] of [
    [1, 4],
    [2, 1],
  ] as const) {
    const scorer = (row: Record<string, string>) => [width, -width, 0].map((side) => 3 * Number(row['x']) + side).join(',');
    await gradeFolds(t, opened, solution, scorer, { column: COLUMNS });
    await opened.harness.finishSolution({ solution });
  }
  const { evaluation, weights } = await opened.harness.blend({ solution: 3, members: [1, 2], families: ['a', 'b'] });
  t.is(weights.length, 2);
  t.true(evaluation.score > 0);
});

test('errors in units of a series’ own steps: the scale is of all its labels', async (t) => {
  const shape = scaledShape();
  const { harness, cut, profile } = await openShape(t, shape, 2);
  t.deepEqual(profile.entity_columns, ['store']);
  const rows = readCsv(shape.files['train.csv'] ?? '');
  const sales = new Map(rows.map((row) => [`${row['date']} ${row['store']}`, Number(row['sales'])]));
  const series = new Map<string, number[]>();
  for (const row of rows) series.set(row['store'] ?? '', [...(series.get(row['store'] ?? '') ?? []), Number(row['sales'])]);
  const squares = new Map<string, number[]>();
  for (const run of cut.runs) {
    const out = await makeFolder(t);
    await writeOutput(out, run, () => 25, { column: 'sales' });
    await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out });
    for (const row of await rowsOf(run)) {
      const error = 25 - (sales.get(`${row['date']} ${row['store']}`) ?? Number.NaN);
      squares.set(row['store'] ?? '', [...(squares.get(row['store'] ?? '') ?? []), error ** 2]);
    }
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const each = [...squares].map(([store, errors]) => {
    const all = series.get(store) ?? [];
    const past = all.slice(all.findIndex((value) => value !== 0));
    return Math.sqrt(mean(errors) / mean(past.slice(1).map((value, i) => (value - (past[i] ?? 0)) ** 2)));
  });
  const final = cut.final_run;
  if (final === null) return t.fail('no final run');
  const out = await makeFolder(t);
  await writeOutput(out, final, () => 25, { column: 'sales' });
  t.deepEqual(await harness.takeFinal({ solution: 1, out_dir: out }), { failure: null });
  const evaluation = await harness.finishSolution({ solution: 1 });
  t.true(Math.abs(evaluation.score - mean(each)) < 1e-9, `${evaluation.score} ${mean(each)}`);
});

test('where a task has no levels or no series, the nearest metric stands in', async (t) => {
  const target = (type: 'regression' | 'quantile') => ({ name: 'y', type, classes: null });
  const metric = (id: 'mean_pinball' | 'rmsse' | 'rmse') => metricOf(id);
  t.like(fitMetric(metric('mean_pinball'), { targets: [target('regression')] }), { id: 'mae', proxy: true, direction: directionOf('mae') });
  t.like(fitMetric(metric('mean_pinball'), { targets: [target('quantile')] }), { id: 'mean_pinball', proxy: false });
  t.like(fitMetric(metric('rmse'), { targets: [target('quantile')] }), { id: 'mean_pinball', proxy: true });
  t.like(fitMetric(metric('rmsse'), { targets: [target('regression')], shape: 'rows' }), { id: 'rmse', proxy: true });
  t.like(fitMetric(metric('rmsse'), { targets: [target('regression')], shape: 'panel' }), { id: 'rmsse', proxy: false });
  const harness = openHarness(t);
  const { files } = quantilesShape();
  await t.throwsAsync(fixTask(t, harness, { dataDir: await writeFiles(t, files), metric: 'rmse' }), {
    message: /does not fit the target "demand" \(quantile\)/,
  });
});
