import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Harness } from '#agent/evaluate/harness-client.ts';
import { instancesShape } from './_instance-shapes.ts';
import { quantilesShape, scaledShape } from './_forecast-shapes.ts';
import type { FixOptions } from './_harness.ts';
import { ALL_SHARED, fixTask, makeFolder, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import {
  boxesShape,
  fingerprints,
  groupsShape,
  listsShape,
  masksShape,
  numbersShape,
  panelShape,
  relabelled,
  rowsShape,
  StoredFolds,
  survivalShape,
  tablesShape,
  targetsShape,
  textsShape,
  timeShape,
} from './_shapes.ts';
import type { Shape } from './_shapes.ts';

/** `sharing`: what `fix_task` is told of data that lie on the disk once. */
async function checkShape(t: ExecutionContext, shape: Shape, sharing: FixOptions['sharing'] = {}): Promise<void> {
  const first = openHarness(t);
  const fixed = await fixTask(t, first, {
    dataDir: await writeFiles(t, { ...shape.files, ...shape.media }),
    metric: shape.metric,
    sharing,
  });
  t.is(fixed.profile.shape, shape.shape);
  const cut = await first.cut({ fold_count: 4 });
  const stored = await readFile(join(fixed.workDir, 'harness', 'folds.json'), 'utf8');
  const { vector } = StoredFolds.parse(JSON.parse(stored));
  t.is((await stat(join(fixed.workDir, 'harness', 'folds.json'))).mode & 0o777, 0o600);

  for (const run of cut.runs) {
    const dataDir = await writeFiles(t, { ...shape.files, ...shape.media, 'train.csv': relabelled(shape, vector, run.fold ?? -1) });
    const workDir = await makeFolder(t);
    await mkdir(join(workDir, 'harness'));
    await writeFile(join(workDir, 'harness', 'folds.json'), stored);
    const second = openHarness(t);
    await second.fixTask({
      data_dir: dataDir,
      work_dir: workDir,
      profile: fixed.profile,
      metric: metricOf(shape.metric),
      seed: 7,
      ...sharing,
    });
    const again = await second.cut({ fold_count: 4 });
    const twin = again.runs.find((other) => other.run_id === run.run_id);
    t.truthy(twin);
    if (twin) t.deepEqual(await fingerprints(twin), await fingerprints(run));
    const other = again.runs.find((candidate) => candidate.run_id !== run.run_id);
    const before = cut.runs.find((candidate) => candidate.run_id === other?.run_id);
    if (run.fold === 0) await compareProbes(t, first, second);
    // where another fold trains on the changed rows, its folder must change: the comparison is able to see a label
    if (shape.shape !== 'time' && shape.shape !== 'panel' && other && before)
      t.notDeepEqual((await fingerprints(other))[0], (await fingerprints(before))[0]);
    await second.close();
  }
}

/** The probes are made of the first fold: they too may not see its validation labels. */
async function compareProbes(t: ExecutionContext, first: Harness, second: Harness): Promise<void> {
  const [left, right] = [await first.cutProbes({ generated: true }), await second.cutProbes({ generated: true })];
  t.deepEqual(
    left.probes.map(({ kind }) => kind),
    ['fresh', 'mirrored'],
  );
  for (const [index, { run }] of left.probes.entries()) {
    t.deepEqual(await fingerprints(right.probes[index]?.run ?? run), await fingerprints(run));
    t.not(right.probes[index]?.run.train_dir, run.train_dir);
  }
}

const SHAPES = {
  rows: rowsShape,
  'numbers with a large test set': numbersShape,
  'several targets, and columns of one side only': targetsShape,
  'tables beside, joined by id': tablesShape,
  groups: groupsShape,
  time: timeShape,
  'a panel with given columns and tables beside': panelShape,
  survival: survivalShape,
  'masks of images, by patient': masksShape,
  'boxes of images': boxesShape,
  'several masks an image': () => instancesShape(),
  'ordered lists': () => listsShape('map_of_lists'),
  sets: () => listsShape('f1_of_sets'),
  'free text': textsShape,
  quantiles: quantilesShape,
  'a panel in units of its own steps': scaledShape,
};

for (const [title, makeShape] of Object.entries({
  rows: rowsShape,
  time: timeShape,
  tables: tablesShape,
  masks: masksShape,
  survival: survivalShape,
})) {
  test(`${title} that runs share on the disk: changing every validation label changes no byte that the fold can see`, async (t) => {
    await checkShape(t, makeShape(), ALL_SHARED);
  });
}

for (const [title, makeShape] of Object.entries(SHAPES)) {
  test(`${title}: changing every validation label changes no byte that the fold can see`, async (t) => {
    await checkShape(t, makeShape());
  });
}

test('a fold predicts validation and test rows together, without ids, labels or an order that tells them apart', async (t) => {
  const harness = openHarness(t);
  const shape = rowsShape();
  await fixTask(t, harness, { dataDir: await writeFiles(t, { ...shape.files, ...shape.media }), metric: 'auc' });
  const cut = await harness.cut({ fold_count: 5 });
  t.is(cut.final_run, null);
  const testFeatures = new Set(readCsv(shape.files['test.csv'] ?? '').map((row) => row['u']));
  for (const run of cut.runs) {
    t.is(run.predict_kind, 'validation+test');
    t.is(run.predict_rows, 40 + 80);
    const rows = readCsv(await readFile(join(run.predict_dir, 'rows.csv'), 'utf8'));
    t.deepEqual(Object.keys(rows[0] ?? {}).toSorted(), ['key', 'u', 'v', 'w']);
    const isTest = rows.map((row) => testFeatures.has(Number(row['u']).toFixed(4)));
    t.is(isTest.filter(Boolean).length, 80);
    const keys = rows.map((row) => Number(row['key']));
    const mean = (wanted: boolean) => average(keys.filter((_, i) => isTest[i] === wanted));
    t.true(Math.abs(mean(true) - mean(false)) < 60, 'keys do not tell test rows');
    const halves = isTest.slice(0, 60).filter(Boolean).length;
    t.true(halves > 25 && halves < 55, 'the order does not tell test rows');
    const train = readCsv(await readFile(join(run.train_dir, 'train.csv'), 'utf8'));
    const trained = new Set(train.map((row) => row['key']));
    t.true(rows.every((row) => !trained.has(row['key'])));
  }
});

test('groups: no group is on both sides of a fold, and group names do not tell test rows', async (t) => {
  const harness = openHarness(t);
  await fixTask(t, harness, { dataDir: await writeFiles(t, groupsShape().files), metric: 'rmse' });
  for (const run of (await harness.cut({ fold_count: 4 })).runs) {
    const train = new Set(readCsv(await readFile(join(run.train_dir, 'train.csv'), 'utf8')).map((row) => row['patient_id']));
    const groups = readCsv(await readFile(join(run.predict_dir, 'rows.csv'), 'utf8')).map((row) => row['patient_id']);
    t.true(groups.every((group) => !train.has(group)));
    t.true(
      groups.every((group) => Number(group) <= 50),
      'groups are renumbered',
    );
  }
});

test('time: every fold learns only from before its block, and the final run is apart', async (t) => {
  const harness = openHarness(t);
  await fixTask(t, harness, { dataDir: await writeFiles(t, timeShape().files), metric: 'mae' });
  const cut = await harness.cut({ fold_count: 4 });
  t.is(cut.refit_run, null);
  t.is(cut.final_run?.predict_kind, 'test');
  t.is(cut.final_run?.predict_rows, 40);
  for (const run of cut.runs) {
    t.is(run.predict_kind, 'validation');
    const dates = (text: string) => readCsv(text).map((row) => row['date'] ?? '');
    const last =
      dates(await readFile(join(run.train_dir, 'train.csv'), 'utf8'))
        .toSorted()
        .at(-1) ?? '';
    const first = dates(await readFile(join(run.predict_dir, 'rows.csv'), 'utf8')).toSorted()[0] ?? '';
    t.true(last < first, `${last} is before ${first}`);
  }
});

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
