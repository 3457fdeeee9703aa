import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { RunFolders } from '#agent/evaluate/harness-protocol.ts';
import { defaultMetric, fitMetric } from '#agent/task/metric.ts';
import { makePng } from './_images.ts';
import { makeCsv, makeFolder, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import { boxesShape, listsShape, masksShape, openShape, readRows, textsShape } from './_shapes.ts';

const listFiles = async (folder: string) => (await readdir(join(folder, 'files'))).toSorted();

test('images: a run gets the files of its rows under names that say nothing, patients stay together', async (t) => {
  const shape = masksShape();
  const { profile, cut } = await openShape(t, shape);
  t.deepEqual([profile.shape, profile.group_column, profile.media_columns], ['groups', 'image part 1', ['image']]);
  t.deepEqual(profile.feature_columns, ['image part 2']);
  const bytes = new Map(Object.entries(shape.media ?? {}).map(([name, data]) => [Buffer.from(data).toString('base64'), name]));
  const named: string[][] = [];
  for (const run of cut.runs) {
    const sides = [
      { dir: run.train_dir, rows: await readRows(run.train_dir, 'train.csv') },
      { dir: run.predict_dir, rows: await readRows(run.predict_dir, 'rows.csv') },
    ];
    const patients: Set<string>[] = [];
    for (const { dir, rows } of sides) {
      const names = rows.map((row) => row['image'] ?? '');
      t.deepEqual(await listFiles(dir), names.toSorted());
      t.true(names.every((name) => /^\d{3}\.png$/.test(name)));
      const own = await Promise.all(
        names.map(async (name) => bytes.get((await readFile(join(dir, 'files', name))).toString('base64')) ?? ''),
      );
      t.true(own.every((name) => name.startsWith('train/')));
      t.deepEqual(
        rows.map((row) => row['image part 2']),
        own.map((name) => /v\d/.exec(name)?.[0]),
      );
      patients.push(new Set(own.map((name) => /p\d+/.exec(name)?.[0] ?? '')));
    }
    t.is([...(patients[0] ?? [])].filter((patient) => patients[1]?.has(patient)).length, 0);
    named.push(sides[1]?.rows.map((row) => row['image'] ?? '') ?? []);
  }
  t.notDeepEqual(named[0]?.toSorted(), named[1]?.toSorted());
  t.is(cut.final_run?.predict_rows, 30);
});

test('files and tables for which the runs have no room are left out, and that is said', async (t) => {
  const shape = masksShape();
  const noise = Buffer.alloc(200_000, 7).toString('base64');
  const files = { ...shape.files, ...shape.media, 'words.csv': `word\n${noise.match(/.{100}/g)?.join('\n') ?? ''}\n` };
  const big = Object.fromEntries(
    Object.entries(shape.media ?? {}).map(([name, data]) => [name, Buffer.concat([data, Buffer.alloc(20_000)])]),
  );
  const harness = openHarness(t);
  const ask = async (all: Record<string, string | Uint8Array>, stagingMib: number) =>
    harness.profile({
      data_dir: await writeFiles(t, all),
      description: '',
      slug: 'test',
      metric: metricOf(shape.metric),
      staging_mib: stagingMib,
    });
  const fits = await ask(files, 100);
  t.deepEqual([fits.media_columns, fits.tables[0]?.given], [['image'], 'whole']);
  const tables = await ask(files, 2);
  t.deepEqual([tables.media_columns, tables.tables[0]?.given], [['image'], 'withheld']);
  t.regex(tables.tables[0]?.reason ?? '', /more beside the training and test tables than every run can be given/);
  const media = await ask({ ...files, ...big }, 20);
  t.deepEqual(media.media_columns, []);
  t.true(
    media.warnings.some((warning) => warning.startsWith('the files that rows name have 2 MiB, more than every run can be given (1 MiB)')),
  );
});

test('masks: run lengths are graded, what does not fit its image is refused, and the file is valid', async (t) => {
  const shape = masksShape();
  const truth = new Map(readCsv(shape.files['train.csv'] ?? '').map((row) => [row['image'] ?? '', row['pixels'] ?? '']));
  const bytes = new Map(
    Object.entries(shape.media ?? {}).map(([name, data]) => [Buffer.from(data).toString('base64'), name.split('/')[1] ?? '']),
  );
  const { harness, cut, workDir } = await openShape(t, shape);
  const write = async (run: RunFolders, name: string, answer: (image: string) => string): Promise<string> => {
    const out = join(workDir, `${name}-${run.run_id}`);
    const rows = await readRows(run.predict_dir, 'rows.csv');
    const lines = await Promise.all(
      rows.map(async (row) => {
        const image = bytes.get((await readFile(join(run.predict_dir, 'files', row['image'] ?? ''))).toString('base64')) ?? '';
        return `${row['key']},${answer(image)}`;
      }),
    );
    await mkdir(out, { recursive: true });
    await writeFile(join(out, 'scores.csv'), `key,pixels\n${lines.join('\n')}\n`);
    return out;
  };
  const { evaluation } = await harness.baseline({});
  t.true(Math.abs(evaluation.score - 0.2) < 0.05, 'an empty mask is right for every fifth image');
  const [first] = cut.runs;
  if (first === undefined || cut.final_run === null) return t.fail();
  for (const [bad, why] of [
    ['140 9', /row 1: run lengths must be positive, in order, apart, and inside the image/],
    ['7', /come in pairs/],
    ['1 x', /no whole number/],
  ] as const) {
    const grade = await harness.gradeFold({ solution: 9, run_id: first.run_id, out_dir: await write(first, 'bad', () => bad) });
    t.regex(grade.failure ?? '', why);
  }
  for (const run of cut.runs) {
    const out = await write(run, 'good', (image) => truth.get(image) ?? '');
    t.is((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out })).score, 1);
  }
  await harness.takeFinal({ solution: 1, out_dir: await write(cut.final_run, 'final', (image) => `${1 + image.length} 4`) });
  const done = await harness.finishSolution({ solution: 1 });
  t.deepEqual([done.score, done.trust.verdict], [1, 'unverified']);
  const file = join(workDir, 'submission.csv');
  t.true((await harness.writeSubmission({ solution: 1, path: file })).valid);
  const rows = readCsv(await readFile(file, 'utf8'));
  t.deepEqual(
    rows.map((row) => row['pixels']),
    rows.map((row) => `${1 + (row['image'] ?? '').length} 4`),
  );
  await writeFile(file, (await readFile(file, 'utf8')).replace(/,\d+ 4$/m, ',143 9'));
  t.like(
    (await harness.validate({ path: file })).checks.find(({ ok }) => !ok),
    { name: 'answers of pixels', detail: 'row 1: run lengths must be positive, in order, apart, and inside the image' },
  );
  const saved = join(workDir, 'state.npz');
  await harness.saveState({ path: saved, solutions: [1] });
  const again = openHarness(t);
  const dataDir = await writeFiles(t, { ...shape.files, ...shape.media });
  const profile = await again.profile({ data_dir: dataDir, description: '', slug: 'test', metric: metricOf(shape.metric) });
  await again.fixTask({ data_dir: dataDir, work_dir: workDir, profile, metric: metricOf(shape.metric), seed: 7 });
  await again.loadState({ path: saved });
  await again.writeSubmission({ solution: 1, path: join(workDir, 'again.csv') });
  t.is(
    await readFile(join(workDir, 'again.csv'), 'utf8'),
    rows.reduce((text, row) => `${text}${row['image']},${row['pixels']}\n`, 'image,pixels\n'),
  );
});

test('lists, sets and texts: the kind is plain from the labels, one name of a metric means the one that fits', async (t) => {
  for (const [shape, named, type, fitted] of [
    [listsShape('map_of_lists'), 'map_of_classes', 'list', 'map_of_lists'],
    [listsShape('f1_of_sets'), 'f1', 'set', 'f1_of_sets'],
    [textsShape(), null, 'text', 'chrf'],
    [masksShape(), null, 'mask', 'dice_by_image'],
    [masksShape(), 'box_precision', 'mask', 'dice_by_image'],
    [boxesShape(), null, 'boxes', 'box_precision'],
    [boxesShape(), 'box_precision', 'boxes', 'box_precision'],
  ] as const) {
    const harness = openHarness(t);
    const dataDir = await writeFiles(t, { ...shape.files, ...shape.media });
    const profile = await harness.profile({
      data_dir: dataDir,
      description: '',
      slug: 'test',
      metric: named === null ? null : metricOf(named),
    });
    t.deepEqual([profile.targets[0]?.type, profile.submission.form], [type, 'answer']);
    const metric = fitMetric(named === null ? defaultMetric(profile) : metricOf(named), profile);
    t.deepEqual([metric.id, metric.proxy], [fitted, named === null || named === 'box_precision']);
    await harness.fixTask({ data_dir: dataDir, work_dir: await makeFolder(t), profile, metric, seed: 7 });
    const { evaluation } = await harness.baseline({});
    const cut = await harness.cut({ fold_count: 3 });
    t.truthy(cut.final_run, 'answers have no mean: the test is answered by a run of its own');
    t.true(evaluation.score > 0);
    t.true(evaluation.checks.find(({ name }) => name === 'not perfect')?.ok, `${fitted} ${evaluation.score} leaves room`);
    const file = join(await makeFolder(t), 'submission.csv');
    t.true((await harness.writeSubmission({ solution: 0, path: file })).valid);
  }
});

test('detection: images are rows, their boxes one answer, and boxes that cannot be are refused', async (t) => {
  const shape = boxesShape();
  const { profile, harness, cut, workDir } = await openShape(t, shape);
  t.deepEqual([profile.targets[0]?.type, profile.train_rows, profile.test_rows, profile.media_columns], ['boxes', 120, 30, ['image_id']]);
  const { evaluation } = await harness.baseline({});
  t.true(Math.abs(evaluation.score - 0.2) < 0.02, 'every fifth image has no box');
  const [run] = cut.runs;
  if (run === undefined) return t.fail();
  const train = await readRows(run.train_dir, 'train.csv');
  t.true(train.some((row) => /^1 \d+ \d+ \d+ \d+ 1 \d+ \d+ \d+ \d+$/.test(row['PredictionString'] ?? '')));
  const out = join(workDir, 'out');
  const grade = async (answer: string) => {
    await mkdir(out, { recursive: true });
    const rows = await readRows(run.predict_dir, 'rows.csv');
    await writeFile(join(out, 'scores.csv'), `key,PredictionString\n${rows.map((row) => `${row['key']},${answer}`).join('\n')}\n`);
    return harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out });
  };
  t.regex((await grade('0.9 1 2 3')).failure ?? '', /row 1: boxes come as 5 words each/);
  t.regex((await grade('0.9 1 2 -3 4')).failure ?? '', /ends before it begins/);
  t.regex((await grade('0.9 1 2 x 4')).failure ?? '', /a number of a box is none/);
  t.is((await grade('0.9 0 0 3 4 0.8 6 1 3 4')).failure, null);
});

test('a column of a few small numbers names no files, though files are called so', async (t) => {
  const icon = makePng(4, 4, () => 9);
  const files = {
    ...Object.fromEntries([0, 1, 2].map((i) => [`icons/${i}.png`, icon])),
    'train.csv': makeCsv(['id', 'kind', 'y'], 60, (i) => [i, i % 3, i % 2]),
    'test.csv': makeCsv(['id', 'kind'], 30, (i) => [60 + i, i % 3]),
    'sample_submission.csv': makeCsv(['id', 'y'], 30, (i) => [60 + i, 0]),
  };
  const profile = await openHarness(t).profile({
    data_dir: await writeFiles(t, files),
    description: '',
    slug: 'test',
    metric: metricOf('auc'),
  });
  t.deepEqual([profile.media_columns, profile.feature_columns], [[], ['kind']]);
});
