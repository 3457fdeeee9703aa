import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { RunFolders } from '#agent/evaluate/harness-protocol.ts';
import { defaultMetric, fitMetric } from '#agent/task/metric.ts';
import { instancesShape } from './_instance-shapes.ts';
import { makeFolder, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import { openShape, readRows } from './_shapes.ts';

/** The masks of each training image, and which image the bytes of a file are. */
function readShape() {
  const shape = instancesShape();
  const masks = new Map<string, string[]>();
  for (const { ImageId = '', EncodedPixels = '' } of readCsv(shape.files['train.csv'] ?? ''))
    masks.set(ImageId, [...(masks.get(ImageId) ?? []), ...(EncodedPixels === '' ? [] : [EncodedPixels])]);
  const names = new Map(
    Object.entries(shape.media ?? {}).map(([name, data]) => [Buffer.from(data).toString('base64'), name.replace(/^.*\/|\.png$/g, '')]),
  );
  return { shape, masks, names };
}

type Answer = (image: string, row: number) => string;

async function writeScores(workDir: string, run: RunFolders, names: ReadonlyMap<string, string>, answer: Answer): Promise<string> {
  const rows = await readRows(run.predict_dir, 'rows.csv');
  const lines = await Promise.all(
    rows.map(async (row, i) => {
      const bytes = await readFile(join(run.predict_dir, 'files', row['ImageId'] ?? ''));
      return `${row['key']},${answer(names.get(bytes.toString('base64')) ?? '', i)}`;
    }),
  );
  const out = join(workDir, `out-${run.run_id}-${Math.random()}`);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'scores.csv'), `key,EncodedPixels\n${lines.join('\n')}\n`);
  return out;
}

test('several masks an image: images are rows, all masks are one answer, and what cannot be is refused', async (t) => {
  const { shape, masks, names } = readShape();
  const { profile, harness, cut, workDir } = await openShape(t, shape);
  t.deepEqual([profile.targets[0]?.type, profile.train_rows, profile.test_rows, profile.media_columns], ['masks', 120, 30, ['ImageId']]);
  const { evaluation } = await harness.baseline({});
  t.is(evaluation.score, 20 / 120, 'no mask is right for every sixth image');
  const [first] = cut.runs;
  if (first === undefined) return t.fail();
  for (const [bad, why] of [
    ['1 4;3 2', /row 1: mask 2 of 2 shares a pixel with an earlier one/],
    ['1 4;570 9', /inside the image/],
    ['1 4;7', /come in pairs/],
    [Array.from({ length: 5001 }, () => '1 1').join(';'), /5001 masks; the limit is 5000/],
  ] as const) {
    const outDir = await writeScores(workDir, first, names, () => bad);
    t.regex((await harness.gradeFold({ solution: 9, run_id: first.run_id, out_dir: outDir })).failure ?? '', why);
  }
  for (const run of cut.runs) {
    const outDir = await writeScores(workDir, run, names, (image) => (masks.get(image) ?? []).toReversed().join(';'));
    t.is((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: outDir })).score, 1);
    const half = await writeScores(workDir, run, names, (image) => (masks.get(image) ?? []).slice(0, 1).join(';'));
    const { score } = await harness.gradeFold({ solution: 2, run_id: run.run_id, out_dir: half });
    t.true((score ?? 0) > 0.5 && (score ?? 1) < 0.8, 'one of two or three objects is found');
  }
});

test('several masks an image: the file has a row a mask, and the validator gathers them again', async (t) => {
  const { shape, names } = readShape();
  const { harness, cut, workDir } = await openShape(t, shape);
  for (const run of cut.runs)
    await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: await writeScores(workDir, run, names, () => '1 2;30 4') });
  if (cut.final_run === null) return t.fail();
  const answers: Answer = (image) => (image === 'cell121' ? '' : image === 'cell122' ? '5 5' : '1 2;30 4 60 2');
  await harness.takeFinal({ solution: 1, out_dir: await writeScores(workDir, cut.final_run, names, answers) });
  await harness.finishSolution({ solution: 1 });
  const file = join(workDir, 'submission.csv');
  t.true((await harness.writeSubmission({ solution: 1, path: file })).valid);
  const good = await readFile(file, 'utf8');
  t.deepEqual(good.split('\n').slice(0, 6), [
    'ImageId,EncodedPixels',
    'cell120,1 2',
    'cell120,30 4 60 2',
    'cell121,',
    'cell122,5 5',
    'cell123,1 2',
  ]);
  for (const [bad, name, detail] of [
    [good.replace('cell122,5 5', 'cell122,5 5\ncell122,'), 'masks of EncodedPixels', '"cell122" has 2 rows, one of them without a mask'],
    [
      good.replace('cell120,30 4 60 2', 'cell120,2 2'),
      'answers of EncodedPixels',
      'image 1: mask 2 of 2 shares a pixel with an earlier one',
    ],
    [good.replace('cell121,\n', ''), 'row count', '29 images, 30 expected'],
    [good.replace('cell121,\n', 'other,\n'), 'ids', '1 ids missing, 1 unknown; for example "cell121"'],
  ] as const) {
    await writeFile(file, bad);
    const { valid, checks } = await harness.validate({ path: file });
    t.false(valid);
    t.like(
      checks.find(({ ok }) => !ok),
      { name, detail },
    );
  }
});

test('several masks an image: a sample with several rows an image names each image once', async (t) => {
  const { shape } = readShape();
  const sample = shape.files['sample_submission.csv'] ?? '';
  const files = { ...shape.files, 'sample_submission.csv': sample.replace('cell120,1 2', 'cell120,1 2\ncell120,5 2') };
  const { profile, harness, workDir } = await openShape(t, { ...shape, files });
  t.deepEqual([profile.test_rows, profile.submission.row_count], [30, 30]);
  await harness.baseline({});
  t.true((await harness.writeSubmission({ solution: 0, path: join(workDir, 'submission.csv') })).valid);
});

test('several masks an image: judged by all marked pixels, they are one mask', async (t) => {
  const { shape, masks, names } = readShape();
  const { profile, harness, cut, workDir } = await openShape(t, { ...shape, metric: 'dice_by_image' });
  t.is(profile.targets[0]?.type, 'mask');
  for (const run of cut.runs) {
    const inOne = (image: string) =>
      (masks.get(image) ?? [])
        .flatMap((text) => text.match(/\d+ \d+/g) ?? [])
        .toSorted((a, b) => Number.parseInt(a) - Number.parseInt(b))
        .join(' ');
    const outDir = await writeScores(workDir, run, names, inOne);
    t.is((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: outDir })).score, 1);
  }
});

test('several masks an image: numbers of any length in a label are an error that names the image', async (t) => {
  const { shape } = readShape();
  for (const metric of ['iou_precision', 'dice_by_image'] as const) {
    const train = `${shape.files['train.csv'] ?? ''}cell7,${'9'.repeat(5000)} 1\n`;
    const opened = openShape(t, { ...shape, metric, files: { ...shape.files, 'train.csv': train } });
    await t.throwsAsync(opened, {
      message: /the mask of image 8 cannot be read: run lengths must be positive, in order, apart, and inside/,
    });
  }
});

test('several masks an image: without a known metric, or with the name that boxes have too, it is the precision over overlaps', async (t) => {
  const { shape } = readShape();
  for (const [named, fitted, proxy] of [
    [null, 'iou_precision', true],
    ['box_precision', 'iou_precision', false],
    ['iou_f2', 'iou_f2', false],
    ['panoptic_quality', 'panoptic_quality', false],
    ['auc', 'iou_precision', true],
  ] as const) {
    const harness = openHarness(t);
    const dataDir = await writeFiles(t, { ...shape.files, ...shape.media });
    const asked = named === null ? null : metricOf(named);
    const profile = await harness.profile({ data_dir: dataDir, description: '', slug: 'test', metric: asked });
    const metric = fitMetric(asked ?? defaultMetric(profile), profile);
    t.deepEqual([metric.id, metric.proxy], [fitted, proxy]);
    await harness.fixTask({ data_dir: dataDir, work_dir: await makeFolder(t), profile, metric, seed: 7 });
    await harness.cut({ fold_count: 3 });
    t.true((await harness.baseline({})).evaluation.score >= 0);
  }
});
