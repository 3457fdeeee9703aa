import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { PYTHON } from '#test/_support/python.ts';
import { ALL_SHARED, fixTask, openHarness, makeFolder, readCsv, writeFiles } from './_harness.ts';
import { makeLeaky } from './_leaky.ts';
import { masksShape, rowsShape, timeShape } from './_shapes.ts';
import type { Shape } from './_shapes.ts';

const runFile = promisify(execFile);
const RECIPE = fileURLToPath(new URL('../../../agent/python/recipes/gradient_boosting.py', import.meta.url));
const PRINT_TABLE = 'import sys,pandas; pandas.read_parquet(sys.argv[1]).to_csv(sys.stdout, index=False)';

async function cutShape(t: ExecutionContext, shape: Shape, sharing: { share_above_mib?: number }, python?: string) {
  const harness = openHarness(t, python);
  const { workDir } = await fixTask(t, harness, {
    dataDir: await writeFiles(t, { ...shape.files, ...shape.media }),
    metric: shape.metric,
    sharing,
  });
  return { harness, workDir, cut: await harness.cut({ fold_count: 4 }) };
}

/** Training rows without their keys, in order of their cells. */
async function readTraining(trainDir: string): Promise<string[]> {
  const { stdout } = await runFile(PYTHON, ['-I', '-c', PRINT_TABLE, join(trainDir, 'train.parquet')]);
  return readCsv(stdout)
    .map((row) => JSON.stringify({ ...row, key: '' }))
    .toSorted();
}

async function listParts(trainDir: string) {
  const names = (await readdir(join(trainDir, 'train.parquet'))).toSorted();
  return Promise.all(names.map(async (name) => ({ name, info: await stat(join(trainDir, 'train.parquet', name)) })));
}

for (const [title, makeShape, parts] of [
  ['rows', rowsShape, [3, 3, 3, 3]],
  ['blocks of time', timeShape, [1, 2, 3, 4]],
] as const) {
  test(`${title}: runs that share their data learn from the rows that copies would hold`, async (t) => {
    const [shared, copied] = [await cutShape(t, makeShape(), ALL_SHARED), await cutShape(t, makeShape(), {})];
    const inodes = new Set<number>();
    for (const [place, run] of shared.cut.runs.entries()) {
      const twin = copied.cut.runs[place];
      t.deepEqual(await readTraining(run.train_dir), await readTraining(twin?.train_dir ?? ''));
      t.like(run, { train_rows: twin?.train_rows, predict_rows: twin?.predict_rows });
      const own = await listParts(run.train_dir);
      t.deepEqual(
        own.map(({ name }) => name),
        Array.from({ length: parts[place] ?? 0 }, (_, part) => `part-0${part}.parquet`),
      );
      for (const { info } of own) inodes.add(info.ino);
      await t.throwsAsync(stat(join(run.train_dir, 'train.csv')), { code: 'ENOENT' });
    }
    t.is(inodes.size, 4, 'no part lies on the disk twice');
  });
}

test('the one copy of all labels is for this user alone', async (t) => {
  const { workDir } = await cutShape(t, rowsShape(), ALL_SHARED);
  t.is((await stat(join(workDir, 'harness', 'shared'))).mode & 0o777, 0o700);
});

test('no key that a run answers is one of a training row in any run', async (t) => {
  const { cut } = await cutShape(t, rowsShape(), ALL_SHARED);
  const [trained, asked] = [new Set<string>(), new Set<string>()];
  for (const run of cut.runs) {
    const { stdout } = await runFile(PYTHON, ['-I', '-c', PRINT_TABLE, join(run.train_dir, 'train.parquet')]);
    for (const { key = '' } of readCsv(stdout)) trained.add(key);
    for (const { key = '' } of readCsv(await readFile(join(run.predict_dir, 'rows.csv'), 'utf8'))) asked.add(key);
  }
  t.is(trained.size, 200);
  t.true([...asked].every((key) => !trained.has(key)));
});

test('reading a shared part or file leaves nothing that another run could see', async (t) => {
  const { cut } = await cutShape(t, masksShape(), ALL_SHARED);
  const [first, second] = cut.runs;
  if (first === undefined || second === undefined) return t.fail();
  const files = async (dir: string) => (await readdir(join(dir, 'files'))).map((name) => join(dir, 'files', name));
  const places = (await listParts(second.train_dir)).map(({ name }) => join(second.train_dir, 'train.parquet', name));
  places.push(...(await files(second.train_dir)));
  const look = async () =>
    Promise.all(places.map(async (place) => [(await stat(place)).atimeMs, (await stat(place)).ctimeMs, (await stat(place)).nlink]));
  const before = await look();
  t.true(before.every(([, , names]) => (names ?? 0) > 1));
  for (const { name } of await listParts(first.train_dir)) await readFile(join(first.train_dir, 'train.parquet', name));
  for (const file of await files(first.train_dir)) await readFile(file);
  t.deepEqual(await look(), before);
});

test('a recipe reads parts as it reads one file, and its answers are graded', async (t) => {
  const { harness, cut } = await cutShape(t, rowsShape(), ALL_SHARED);
  for (const run of cut.runs) {
    const outDir = await makeFolder(t);
    const paths = ['--train', run.train_dir, '--predict', run.predict_dir, '--out', outDir];
    await runFile(PYTHON, ['-I', '-B', RECIPE, ...paths, '--deadline', '60'], { timeout: 100_000, env: {} });
    t.is((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: outDir })).failure, null);
  }
  t.not((await harness.finishSolution({ solution: 1 })).trust.verdict, 'suspect');
});

test('where the disk notes every reading, each run gets a copy', async (t) => {
  const notes = await makeLeaky(t, {
    file: 'shared_files.py',
    from: 'if first.stat().st_atime == FIXED_TIMES[0]:',
    to: 'if first.stat().st_atime == 0:',
  });
  const { cut } = await cutShape(t, masksShape(), ALL_SHARED, notes);
  for (const run of cut.runs) {
    const places = [join(run.train_dir, 'train.parquet'), join(run.train_dir, 'train.csv')];
    for (const name of await readdir(join(run.train_dir, 'files'))) places.push(join(run.train_dir, 'files', name));
    for (const place of places) {
      const info = await stat(place);
      t.true(info.isFile() && info.nlink === 1);
    }
  }
});
