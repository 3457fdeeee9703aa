import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import { makeCsv, makeRandom, metricOf, openHarness, writeFiles } from './_harness.ts';
import { openShape, panelShape, readRows, readTable, survivalShape, tablesShape } from './_shapes.ts';

const profileOf = async (t: ExecutionContext, files: Record<string, string>): Promise<TaskProfile> =>
  openHarness(t).profile({ data_dir: await writeFiles(t, files), description: '', slug: 'test', metric: metricOf('auc') });

/** Rows with ids and labels by chance, and a table beside. */
function makeFiles(id: (row: number) => string, beside: (labels: readonly number[]) => string): Record<string, string> {
  const random = makeRandom(51);
  const labels = Array.from({ length: 300 }, () => (random() < 0.5 ? 1 : 0));
  return {
    'train.csv': makeCsv(['id', 'u', 'y'], 200, (i) => [id(i), random().toFixed(4), labels[i] ?? 0]),
    'test.csv': makeCsv(['id', 'u'], 100, (i) => [id(200 + i), random().toFixed(4)]),
    'sample_submission.csv': makeCsv(['id', 'y'], 100, (i) => [id(200 + i), 0]),
    'beside.csv': beside(labels),
  };
}

test('a table whose number of rows a key tells the answers is withheld as a whole', async (t) => {
  const calls = (labels: readonly number[]) =>
    labels.flatMap((label, i) => Array.from({ length: 1 + 2 * label }, (_, call) => [i, call % 2]));
  const files = makeFiles(String, (labels) => {
    const rows = calls(labels);
    return makeCsv(['id', 'answered'], rows.length, (i) => rows[i] ?? []);
  });
  const [table] = (await profileOf(t, files)).tables;
  t.is(table?.given, 'withheld');
  t.regex(table?.reason ?? '', /its number of rows a key tells "y"/);
});

test('ids of more digits than a float has join their own rows only', async (t) => {
  const id = (row: number) => `90071992547409${String(row).padStart(5, '0')}`;
  const files = makeFiles(id, (labels) => makeCsv(['id', 'hint'], 300, (i) => [id(i), labels[i] === 1 ? 'yes' : 'no']));
  const [table] = (await profileOf(t, files)).tables;
  t.like(table, { key: ['id'], relation: 'one', withheld_columns: ['hint'] });
});

test('rows of a table that name nobody are given to no run', async (t) => {
  const shape = tablesShape();
  const orders = `${shape.files['orders.csv'] ?? ''},777.77,card\n`;
  const { cut } = await openShape(t, { ...shape, files: { ...shape.files, 'orders.csv': orders } });
  for (const run of cut.runs)
    for (const folder of [run.train_dir, run.predict_dir])
      t.true((await readTable(folder, 'orders')).every((row) => Number(row['amount']) !== 777.77));
});

test('panel: a row that is answered alone is shown as it was among the others', async (t) => {
  const shape = panelShape();
  const { harness, cut, profile, dataDir, workDir } = await openShape(t, shape);
  const alone = { ...profile, one_row_at_a_time: true };
  const place = join(workDir, 'alone');
  const values = new Set<string>();
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    await harness.fixTask({ data_dir: dataDir, work_dir: join(place, String(seed)), profile: alone, metric: metricOf(shape.metric), seed });
    const again = await harness.cut({ fold_count: 4 });
    const block = await readRows(again.runs[0]?.predict_dir ?? '', 'rows.csv');
    const { probes } = await harness.cutProbes({ generated: false });
    const [row] = await readRows(probes.find(({ kind }) => kind === 'alone')?.run.predict_dir ?? '', 'rows.csv');
    const same = block.find((one) => one['u'] === row?.['u']);
    t.deepEqual({ ...row, key: '' }, { ...same, key: '' });
    values.add(same?.['lag_3'] === '' ? 'hidden' : 'shown');
  }
  t.true(values.has('hidden'), 'a row of a later step was among them');
  t.is(cut.runs.length, 3);
});

test('survival: opposite labels are times that change ends, and events that stay with their rows', async (t) => {
  const { harness, cut } = await openShape(t, survivalShape());
  const { probes } = await harness.cutProbes({ generated: true });
  const read = async (folder = '') => (await readRows(folder, 'train.csv')).toSorted((a, b) => Number(a['u']) - Number(b['u']));
  const plain = await read(cut.runs[0]?.train_dir);
  const mirrored = await read(probes.find(({ kind }) => kind === 'mirrored')?.run.train_dir);
  const times = (rows: readonly Record<string, string>[]) => rows.map((row) => Number(row['efs_time']));
  t.deepEqual(
    mirrored.map((row) => row['efs']),
    plain.map((row) => row['efs']),
  );
  t.deepEqual(
    times(mirrored).toSorted((a, b) => a - b),
    times(plain).toSorted((a, b) => a - b),
  );
  const first = times(plain).indexOf(Math.min(...times(plain)));
  t.is(times(mirrored)[first], Math.max(...times(plain)));
});
