import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { gradeFolds, openCut, writeOutput } from './_grading.ts';
import type { Opened, Scorer } from './_grading.ts';
import { binaryCompetition, makeCsv, makeFolder, makeRandom, readCsv } from './_harness.ts';

/** A model that each fold fits a little differently: what it makes of a row, and a shift of its own. */
const shifted = (shift: number) => (row: Record<string, string>) => Number(row['x']) / 20 + 0.2 + shift;

/** Grades three folds that differ by 0.05, then answers the run over all rows by `scorer`: what came of it. */
async function refitWith(t: ExecutionContext, opened: Opened, scorer: Scorer) {
  const shifts = [-0.05, 0, 0.05];
  for (const [index, run] of opened.runs.entries()) {
    await gradeFolds(t, { ...opened, runs: [run] }, 1, shifted(shifts[index] ?? 0));
  }
  const outDir = join(await makeFolder(t), 'whole');
  if (opened.wholeRun === null) throw new Error('there is no run over all rows');
  await writeOutput(outDir, opened.wholeRun, scorer);
  return opened.harness.takeRefit({ solution: 1, out_dir: outDir });
}

/** How far the file's scores are from those without a shift, row by row. */
async function readShifts(opened: Opened, files: Record<string, string>): Promise<number[]> {
  const path = join(opened.workDir, 'submission.csv');
  const { valid } = await opened.harness.writeSubmission({ solution: 1, path });
  if (!valid) throw new Error('the file is not valid');
  const x = new Map(readCsv(files['test.csv'] ?? '').map((row) => [row['id'], Number(row['x'])]));
  return readCsv(await readFile(path, 'utf8')).map((row) => Number(row['target']) - shifted(0)({ x: String(x.get(row['id'])) }));
}

test('a refit that is like the folds replaces their mean, and the score stays that of the folds', async (t) => {
  const files = binaryCompetition();
  const opened = await openCut(t, files, 'auc');
  t.is(opened.wholeRun?.predict_kind, 'test');
  t.deepEqual([opened.wholeRun?.train_rows, opened.wholeRun?.predict_rows], [120, 40]);
  t.like(await refitWith(t, opened, shifted(0.04)), { adopted: true });
  const evaluation = await opened.harness.finishSolution({ solution: 1 });
  t.like(
    evaluation.checks.find(({ name }) => name === 'refit like folds'),
    { ok: true },
  );
  for (const shift of await readShifts(opened, files)) t.true(Math.abs(shift - 0.04) < 1e-6, `${shift}`);
});

test('a refit beyond the spread of the folds is shown and not used', async (t) => {
  const files = binaryCompetition();
  const opened = await openCut(t, files, 'auc');
  const outcome = await refitWith(t, opened, shifted(0.3));
  t.false(outcome.adopted);
  t.regex(outcome.detail, /0\.3 from the mean of the folds; they differ by 0\.05 /);
  const evaluation = await opened.harness.finishSolution({ solution: 1 });
  t.like(
    evaluation.checks.find(({ name }) => name === 'refit like folds'),
    { ok: false, detail: outcome.detail },
  );
  for (const shift of await readShifts(opened, files)) t.true(Math.abs(shift) < 1e-6, `${shift}`);
});

test('folds that do not differ at all allow a refit that is nearly the same', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'auc');
  await gradeFolds(t, opened, 1, shifted(0));
  const outDir = join(await makeFolder(t), 'whole');
  if (opened.wholeRun === null) return t.fail();
  await writeOutput(outDir, opened.wholeRun, shifted(0.001));
  t.true((await opened.harness.takeRefit({ solution: 1, out_dir: outDir })).adopted);
});

test('models that answer nearly the same everywhere may differ by a hundredth of the labels’ spread', async (t) => {
  const alike = (shift: number) => () => 0.5 + shift;
  for (const [shift, adopted] of [
    [0.004, true],
    [0.02, false],
  ] as const) {
    const opened = await openCut(t, binaryCompetition(), 'auc');
    await gradeFolds(t, opened, 1, alike(0));
    const outDir = join(await makeFolder(t), 'whole');
    if (opened.wholeRun === null) return t.fail();
    await writeOutput(outDir, opened.wholeRun, alike(shift));
    t.is((await opened.harness.takeRefit({ solution: 1, out_dir: outDir })).adopted, adopted);
  }
});

test('a refit that answers with decisions where the folds gave scores is not used', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'accuracy');
  await gradeFolds(t, opened, 1, shifted(0));
  const outDir = join(await makeFolder(t), 'whole');
  if (opened.wholeRun === null) return t.fail();
  await writeOutput(outDir, opened.wholeRun, () => 1, { name: 'predictions.csv' });
  const outcome = await opened.harness.takeRefit({ solution: 1, out_dir: outDir });
  t.false(outcome.adopted);
  t.regex(outcome.detail, /another kind of file/);
});

test('a refit that cannot be read takes nothing away', async (t) => {
  const files = binaryCompetition();
  const opened = await openCut(t, files, 'auc');
  await gradeFolds(t, opened, 1, shifted(0));
  const outDir = await makeFolder(t);
  await mkdir(outDir, { recursive: true });
  await writeFile(join(outDir, 'scores.csv'), 'key,target\n1,nothing\n');
  const outcome = await opened.harness.takeRefit({ solution: 1, out_dir: outDir });
  t.false(outcome.adopted);
  t.regex(outcome.detail, /cannot be read/);
  await opened.harness.finishSolution({ solution: 1 });
  for (const shift of await readShifts(opened, files)) t.true(Math.abs(shift) < 1e-6, `${shift}`);
});

test('a refit comes after the last fold and before the end, and is for small tables only', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'auc');
  const early = { ...opened, runs: opened.runs.slice(0, 2) };
  await gradeFolds(t, early, 1, shifted(0));
  const tooSoon = { message: /comes after its last fold/ };
  await t.throwsAsync(opened.harness.takeRefit({ solution: 1, out_dir: opened.workDir }), tooSoon);
  await gradeFolds(t, { ...opened, runs: opened.runs.slice(2) }, 1, shifted(0));
  await opened.harness.finishSolution({ solution: 1 });
  await t.throwsAsync(opened.harness.takeRefit({ solution: 1, out_dir: opened.workDir }), tooSoon);
  const large = await openCut(t, binaryCompetition(2000, 40), 'auc');
  t.is(large.wholeRun, null);
  await gradeFolds(t, large, 1, shifted(0));
  await t.throwsAsync(large.harness.takeRefit({ solution: 1, out_dir: large.workDir }), { message: /is not for now/ });
});

test('several classes are compared column by column', async (t) => {
  const random = makeRandom(5);
  const kinds = ['a', 'b', 'c'];
  const row = (id: number, labelled: boolean) => {
    const x = random() * 3;
    return [id, x.toFixed(3), ...(labelled ? [kinds[Math.floor(x)] ?? 'c'] : [])];
  };
  const opened = await openCut(
    t,
    {
      'train.csv': makeCsv(['id', 'x', 'target'], 120, (index) => row(index + 1, true)),
      'test.csv': makeCsv(['id', 'x'], 40, (index) => row(index + 121, false)),
      'sample_submission.csv': makeCsv(['id', ...kinds], 40, (index) => [index + 121, 0.2, 0.3, 0.5]),
    },
    'logloss',
  );
  const columns = 'target=a,target=b,target=c';
  const answer = (c: number) => (given: Record<string, string>) => {
    const code = Math.min(2, Math.floor(Number(given['x'])));
    const table = [0.1, 0.1, 0.1];
    table[code] = 0.8;
    return [table[0], (table[1] ?? 0) + c, (table[2] ?? 0) - c].join(',');
  };
  await gradeFolds(t, opened, 1, answer(0), { column: columns });
  const out = join(await makeFolder(t), 'whole');
  if (opened.wholeRun === null) return t.fail();
  await writeOutput(out, opened.wholeRun, answer(0.05), { column: columns });
  t.false((await opened.harness.takeRefit({ solution: 1, out_dir: out })).adopted, 'the folds do not differ at all');
});
