import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { RunFolders, TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import { gradeFolds, openCut } from './_grading.ts';
import { fixTask, makeCsv, makeRandom, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import { groupsShape, openShape, panelShape, readRows, readTable, rowsShape, survivalShape, tablesShape, timeShape } from './_shapes.ts';

type Row = Record<string, string>;

async function listTables(folder: string): Promise<string[]> {
  return (await readdir(join(folder, 'tables')).catch(() => [])).toSorted();
}

const tableOf = (profile: TaskProfile, name: string) => profile.tables.find((table) => table.name === name);
const givenOf = (profile: TaskProfile, name: string) => profile.given_columns.find((column) => column.name === name);
const at = <T>(rows: readonly T[], index: number): T => {
  const row = rows.at(index);
  if (row === undefined) throw new Error(`there is no element ${index}`);
  return row;
};

test('each shape is found, with a reason and how sure it is', async (t) => {
  const found = await Promise.all(
    [rowsShape(), groupsShape(), timeShape(), panelShape()].map(async (shape) => (await openShape(t, shape)).profile),
  );
  t.deepEqual(
    found.map((profile) => [profile.shape, profile.shape_confidence]),
    [
      ['rows', 'certain'],
      ['groups', 'certain'],
      ['time', 'certain'],
      ['panel', 'certain'],
    ],
  );
  t.regex(found[1]?.shape_reason ?? '', /repeat "patient_id", and test rows name others/);
  t.regex(found[3]?.shape_reason ?? '', /later than training rows, by "date", and "store" names series/);
  t.deepEqual(found[3]?.entity_columns, ['store']);
});

const NOTHING = { shape: null, group_column: null, time_column: null, one_row_at_a_time: null, allow_data_leaks: false } as const;

test('the caller may say what the shape is, and a column that is not there is named', async (t) => {
  const harness = openHarness(t);
  const ask = async (files: Record<string, string>, wanted: object) =>
    harness.profile({
      data_dir: await writeFiles(t, files),
      description: '',
      slug: 'test',
      metric: metricOf('rmse'),
      wanted: { ...NOTHING, ...wanted },
    });
  const rows = await ask(groupsShape().files, { shape: 'rows' });
  t.deepEqual([rows.shape, rows.shape_confidence, rows.group_column], ['rows', 'asked', null]);
  const groups = await ask(panelShape().files, { group_column: 'store' });
  t.deepEqual([groups.shape, groups.group_column, groups.time_column], ['groups', 'store', null]);
  const time = await ask(panelShape().files, { shape: 'time' });
  t.deepEqual([time.shape, time.time_column, time.entity_columns], ['time', 'date', []]);
  await t.throwsAsync(ask(groupsShape().files, { group_column: 'nobody' }), {
    message: /group column "nobody" that was asked for is no column/,
  });
  await t.throwsAsync(ask(groupsShape().files, { shape: 'time' }), { message: /no column tells that test rows are later/ });
});

test('a column whose name says nothing keeps its values together when the test has only others, each many times repeated', async (t) => {
  const harness = openHarness(t);
  const profileOf = async (nameOf: (row: number) => string | number) => {
    const random = makeRandom(17);
    const cells = (row: number) => [row, nameOf(row), random().toFixed(4)];
    const files = {
      'train.csv': makeCsv(['id', 'k', 'u', 'y'], 180, (i) => [...cells(i), i % 7]),
      'test.csv': makeCsv(['id', 'k', 'u'], 90, (i) => cells(180 + i)),
      'sample_submission.csv': makeCsv(['id', 'y'], 90, (i) => [180 + i, 0]),
    };
    return harness.profile({
      data_dir: await writeFiles(t, files),
      description: '',
      slug: 'test',
      metric: metricOf('rmse'),
      wanted: { ...NOTHING },
    });
  };
  const block = (row: number) => Math.floor(row / 9);
  const scattered = (row: number) => (block(row) * 17) % 30;
  const found = await profileOf(scattered);
  t.deepEqual([found.shape, found.group_column, found.shape_confidence], ['groups', 'k', 'likely']);
  t.false(found.feature_columns.includes('k'));
  t.is((await profileOf((row) => `level ${scattered(row)}`)).group_column, 'k');
  t.is((await profileOf((row) => scattered(row) % 25)).group_column, null, 'some values are in both');
  t.is((await profileOf(block)).group_column, null, 'all larger: a number that goes on, not entities');
  t.is((await profileOf((row) => scattered(row) + 0.5)).group_column, null, 'no whole numbers');
  t.is((await profileOf((row) => (row * 17) % 270)).group_column, null, 'nothing is repeated');
});

test('panel: a fold shows given columns as the test does, and no covariate of the training set only', async (t) => {
  const { profile, cut } = await openShape(t, panelShape());
  t.like(givenOf(profile, 'lag_3'), { how: 'missing', steps: [3, 4, 5, 6, 7, 8, 9] });
  t.regex(givenOf(profile, 'lag_3')?.reason ?? '', /"sales" of 3 rows before/);
  t.like(givenOf(profile, 'so_far'), { how: 'last-known' });
  t.regex(givenOf(profile, 'so_far')?.reason ?? '', /running total of "sales"/);
  t.is(givenOf(profile, 'u'), undefined);
  for (const run of cut.runs) {
    const [train, rows] = [await readRows(run.train_dir, 'train.csv'), await readRows(run.predict_dir, 'rows.csv')];
    t.deepEqual(Object.keys(at(rows, 0)).toSorted(), ['date', 'key', 'lag_3', 'so_far', 'store', 'u']);
    const days = [...new Set(rows.map((row) => row['date'] ?? ''))].toSorted();
    t.is(days.length, 10, 'a block is as long as the test');
    t.true(train.every((row) => (row['date'] ?? '') < at(days, 0)));
    for (const row of rows) t.is(row['lag_3'] === '', days.indexOf(row['date'] ?? '') >= 3);
    for (const store of ['north', 'south', 'east', 'west']) {
      const last = at(
        train.filter((row) => row['store'] === store).toSorted((a, b) => ((a['date'] ?? '') < (b['date'] ?? '') ? -1 : 1)),
        -1,
      );
      t.deepEqual([...new Set(rows.filter((row) => row['store'] === store).map((row) => row['so_far']))], [last['so_far']]);
    }
  }
  const final = cut.final_run;
  t.is(final?.predict_rows, 40);
});

test('panel: tables of the past end where a fold begins, those of known things are whole', async (t) => {
  const { profile, cut } = await openShape(t, panelShape());
  t.deepEqual(
    profile.tables.map(({ name, key, relation, given }) => [name, [...key].toSorted(), relation, given]),
    [
      ['stores', ['store'], 'one', 'whole'],
      ['visits', ['date', 'store'], 'one', 'by-time'],
      ['weather', ['date'], 'one', 'whole'],
    ],
  );
  for (const run of [...cut.runs, cut.final_run].filter((one) => one !== null)) {
    t.deepEqual(await listTables(run.train_dir), ['stores.parquet', 'visits.parquet', 'weather.parquet']);
    t.deepEqual(await listTables(run.predict_dir), []);
    const first = at((await readRows(run.predict_dir, 'rows.csv')).map((row) => row['date'] ?? '').toSorted(), 0);
    const visits = await readTable(run.train_dir, 'visits');
    t.true(visits.length >= 40);
    t.true(visits.every((row) => (row['date'] ?? '') < first));
    t.is((await readTable(run.train_dir, 'weather')).length, 70);
  }
});

test('time: a table of the past that is joined by row tells its answers all the same, and is cut by column', async (t) => {
  const shape = timeShape();
  const rows = readCsv(shape.files['train.csv'] ?? '');
  const readings = makeCsv(['id', 'read_on', 'meter', 'place'], rows.length, (i) => {
    const { id = '', date = '', y = '' } = rows[i] ?? {};
    return [id, date, y, ['cellar', 'roof'][i % 2] ?? ''];
  });
  const { profile, cut } = await openShape(t, { ...shape, files: { ...shape.files, 'readings.csv': readings } });
  t.like(tableOf(profile, 'readings'), { given: 'by-time', time_column: 'read_on', withheld_columns: ['meter'] });
  for (const run of cut.runs) {
    const known = await readTable(run.train_dir, 'readings');
    t.deepEqual(Object.keys(at(known, 0)).toSorted(), ['id', 'place', 'read_on']);
    const first = at((await readRows(run.predict_dir, 'rows.csv')).map((row) => row['date'] ?? '').toSorted(), 0);
    t.true(known.every((row) => (row['read_on'] ?? '') < first));
  }
});

async function readLinks(run: RunFolders): Promise<Record<'train' | 'predict', { rows: Row[]; orders: Row[] }>> {
  const [train, predict] = [run.train_dir, run.predict_dir];
  return {
    train: { rows: await readRows(train, 'train.csv'), orders: await readTable(train, 'orders') },
    predict: { rows: await readRows(predict, 'rows.csv'), orders: await readTable(predict, 'orders') },
  };
}

test('tables of entities: a run sees the rows of its own ones, under new numbers, and can join them', async (t) => {
  const shape = tablesShape();
  const { profile, cut } = await openShape(t, shape);
  t.like(tableOf(profile, 'orders'), { key: ['client_id'], relation: 'many', given: 'by-key', withheld_columns: [] });
  const original = readCsv(shape.files['orders.csv'] ?? '');
  const amounts = (rows: readonly Row[]) => rows.map((row) => Number(row['amount'])).toSorted((a, b) => a - b);
  const numbers: number[][] = [];
  for (const run of cut.runs) {
    const { train, predict } = await readLinks(run);
    const ids = (rows: readonly Row[]) => new Set(rows.map((row) => row['client_id']));
    t.deepEqual([...ids(train.orders)].toSorted(), [...ids(train.rows)].toSorted());
    t.deepEqual([...ids(predict.orders)].toSorted(), [...ids(predict.rows)].toSorted());
    t.deepEqual(amounts([...train.orders, ...predict.orders]), amounts(original));
    // by the feature that tells who is who: the orders of a client are its own
    const byU = new Map(readCsv(`${shape.files['train.csv'] ?? ''}`).map((row) => [Number(row['u']), row['client_id'] ?? '']));
    for (const row of train.rows.slice(0, 20)) {
      const own = train.orders.filter((order) => order['client_id'] === row['client_id']);
      const real = original.filter((order) => order['client_id'] === byU.get(Number(row['u'])));
      t.deepEqual(amounts(own), amounts(real));
    }
    numbers.push(predict.rows.map((row) => Number(row['client_id'])));
    t.true(
      at(numbers, -1).every((number) => number <= 320),
      'numbers do not tell test clients',
    );
    const order = predict.orders.map((row) => Number(row['client_id']));
    t.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
  }
  t.notDeepEqual(numbers[0], numbers[1]);
});

test('a table that tells the answers is cut by column, and used only when that is asked for', async (t) => {
  const shape = tablesShape();
  const { profile, cut, harness } = await openShape(t, shape);
  t.like(tableOf(profile, 'outcomes'), { given: 'by-key', withheld_columns: ['came_back'] });
  t.regex(tableOf(profile, 'outcomes')?.reason ?? '', /"came_back" tells "bought"/);
  t.like(tableOf(profile, 'details'), { given: 'withheld' });
  t.regex(tableOf(profile, 'details')?.reason ?? '', /only training rows have a row in it/);
  t.true(profile.warnings.some((warning) => warning.includes('came_back')));
  for (const run of cut.runs) {
    t.deepEqual(await listTables(run.train_dir), ['orders.parquet', 'outcomes.parquet']);
    t.deepEqual(Object.keys(at(await readTable(run.train_dir, 'outcomes'), 0)).toSorted(), ['age', 'client_id']);
  }
  const allowed = await harness.profile({
    data_dir: await writeFiles(t, shape.files),
    description: '',
    slug: 'test',
    metric: metricOf('auc'),
    wanted: { ...NOTHING, allow_data_leaks: true },
  });
  t.like(tableOf(allowed, 'outcomes'), { given: 'by-key', withheld_columns: [] });
  t.regex(tableOf(allowed, 'outcomes')?.reason ?? '', /used all the same/);
});

test('leaks are held against the labelled rows only, wherever the others lie', async (t) => {
  const shape = tablesShape();
  const [header = '', ...lines] = (shape.files['train.csv'] ?? '').trim().split('\n');
  // Every fifth row from the first on has no label.
  const holed = lines.map((line, row) => (row % 5 === 0 ? line.replace(/\d$/, '') : line));
  const files = { ...shape.files, 'train.csv': `${[header, ...holed].join('\n')}\n` };
  const profile = await openHarness(t).profile({
    data_dir: await writeFiles(t, files),
    description: '',
    slug: 'test',
    metric: metricOf('auc'),
  });
  t.deepEqual(tableOf(profile, 'outcomes')?.withheld_columns, ['came_back']);
});

/** Strong: equal; medium: 97 of 100 rows, or AUC ≥ .98; faint: most of the rows. Returns which of them the harness withholds. */
async function plantTables(t: ExecutionContext, seed: number): Promise<Record<string, boolean>> {
  const random = makeRandom(seed);
  const labels = Array.from({ length: 600 }, () => (random() < 0.3 ? 1 : 0));
  const other = (label: number, share: number) => (random() < share ? 1 - label : label);
  const columns = ['equal', 'nearly', 'shifted', 'half', 'none'] as const;
  const leaks = makeCsv(['id', ...columns], 600, (i) => {
    const label = labels[i] ?? 0;
    const shifted = label * 3.2 + Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(6.283 * random());
    return [i, label, other(label, 0.03), shifted.toFixed(4), other(label, 0.25), random() < 0.5 ? 1 : 0];
  });
  const files = {
    'train.csv': makeCsv(['id', 'u', 'y'], 400, (i) => [i, random().toFixed(4), labels[i] ?? 0]),
    'test.csv': makeCsv(['id', 'u'], 200, (i) => [400 + i, random().toFixed(4)]),
    'sample_submission.csv': makeCsv(['id', 'y'], 200, (i) => [400 + i, 0]),
    'beside.csv': leaks,
  };
  const profile = await openHarness(t).profile({
    data_dir: await writeFiles(t, files),
    description: '',
    slug: 'test',
    metric: metricOf('auc'),
  });
  const withheld = tableOf(profile, 'beside')?.withheld_columns ?? [];
  return Object.fromEntries(columns.map((column) => [column, withheld.includes(column)]));
}

test('leaks planted in a table: strong and medium ones are found, faint and innocent ones are left', async (t) => {
  const found = await Promise.all([31, 32, 33, 34, 35, 36].map((seed) => plantTables(t, seed)));
  for (const one of found) t.deepEqual(one, { equal: true, nearly: true, shifted: true, half: false, none: false });
});

test('survival: time and event are both labels, and what a high score means follows the name', async (t) => {
  const { profile, cut, harness } = await openShape(t, survivalShape());
  t.deepEqual(profile.targets[0]?.survival, { event_column: 'efs', duration_column: 'efs_time', score_means: 'risk' });
  for (const run of cut.runs) {
    t.deepEqual(Object.keys(at(await readRows(run.train_dir, 'train.csv'), 0)).toSorted(), ['efs', 'efs_time', 'key', 'u', 'v']);
    t.deepEqual(Object.keys(at(await readRows(run.predict_dir, 'rows.csv'), 0)).toSorted(), ['key', 'u', 'v']);
    t.deepEqual(Object.keys(at(await readRows(run.predict_dir, 'sample.csv'), 0)), ['key', 'prediction']);
  }
  const { evaluation } = await harness.baseline({});
  t.is(evaluation.score, 0.5);
  const shape = survivalShape();
  const named = {
    ...shape.files,
    'sample_submission.csv': (shape.files['sample_submission.csv'] ?? '').replace('prediction', 'survival_days'),
  };
  const other = await openShape(t, { ...shape, files: named });
  t.is(other.profile.targets[0]?.survival?.score_means, 'survival');
});

test('survival: a risk that tells something scores above one half, its opposite below, and a day that is asked for the other way round', async (t) => {
  const score = async (column: string, sign: number): Promise<number> => {
    const shape = survivalShape();
    const files = { ...shape.files, 'sample_submission.csv': (shape.files['sample_submission.csv'] ?? '').replace('prediction', column) };
    const opened = await openCut(t, files, shape.metric);
    await gradeFolds(t, opened, 1, (row) => sign * Number(row['u']), { column });
    const evaluation = await opened.harness.finishSolution({ solution: 1 });
    const out = join(opened.workDir, 'submission.csv');
    t.true((await opened.harness.writeSubmission({ solution: 1, path: out })).valid);
    return evaluation.score;
  };
  const risk = await score('prediction', 1);
  t.true(risk > 0.65, String(risk));
  t.true(Math.abs((await score('prediction', -1)) - (1 - risk)) < 1e-9);
  t.is(await score('survival_days', -1), risk);
});

test('survival: without a column of events the nearest metric stands in, and says why', async (t) => {
  const shape = survivalShape();
  const drop = (text: string) =>
    text
      .split('\n')
      .map((line) => line.split(',').slice(0, 4).join(','))
      .join('\n');
  const files = { ...shape.files, 'train.csv': drop(shape.files['train.csv'] ?? '') };
  const profile = await openHarness(t).profile({
    data_dir: await writeFiles(t, files),
    description: '',
    slug: 'test',
    metric: metricOf('concordance'),
  });
  t.is(profile.targets[0]?.type, 'regression');
  t.true(profile.warnings.some((warning) => warning.startsWith('no survival: that needs a column of times and one of events')));
});

test('one row at a time: seen in the pages or said by the caller, and solutions are told', async (t) => {
  const files = rowsShape().files;
  const harness = openHarness(t);
  const dataDir = await writeFiles(t, files);
  const fixed = await fixTask(t, harness, {
    dataDir,
    metric: 'auc',
    description: 'You must submit using the provided evaluation API, which serves test rows in batches.',
  });
  t.true(fixed.profile.one_row_at_a_time);
  const [run] = (await harness.cut({ fold_count: 4 })).runs;
  const task: unknown = JSON.parse(await readFile(join(run?.train_dir ?? '', 'task.json'), 'utf8'));
  t.like(task, { transductive: false });
  const { probes } = await harness.cutProbes({ generated: false });
  t.deepEqual(
    probes.map((probe) => [probe.kind, probe.kind === 'alone' ? probe.run.predict_rows : null]),
    [
      ['fresh', null],
      ['alone', 1],
    ],
  );
  const said = await harness.profile({
    data_dir: dataDir,
    description: '',
    slug: 'test',
    metric: metricOf('auc'),
    wanted: { ...NOTHING, one_row_at_a_time: true },
  });
  t.true(said.one_row_at_a_time);
});
