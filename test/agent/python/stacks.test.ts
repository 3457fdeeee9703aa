import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import type { Harness } from '#agent/evaluate/harness-client.ts';
import type { RunFolders } from '#agent/evaluate/harness-protocol.ts';
import { gradeFolds, openCut, writeOutput } from './_grading.ts';
import type { Opened, Scorer } from './_grading.ts';
import { fixTask, makeCsv, makeFolder, makeRandom, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import { makeLeaky } from './_leaky.ts';
import { fingerprints, groupsShape, relabelled, rowsShape, StoredFolds, survivalShape, targetsShape, timeShape } from './_shapes.ts';
import type { Shape } from './_shapes.ts';

/** Two classes that `x` tells most of the time; no two rows have the same `x`. */
function makeFiles(rows = 120): Record<string, string> {
  const random = makeRandom(8);
  const row = (id: number, labelled: boolean) => {
    const x = random() * 10;
    return [id, Number(x.toFixed(6)), ...(labelled ? [x + random() * 4 > 7 ? 1 : 0] : [])];
  };
  return {
    'train.csv': makeCsv(['id', 'x', 'target'], rows, (i) => row(i + 1, true)),
    'test.csv': makeCsv(['id', 'x'], 40, (i) => row(rows + i + 1, false)),
    'sample_submission.csv': makeCsv(['id', 'target'], 40, (i) => [rows + i + 1, 0.5]),
  };
}

const StackTask = z.object({
  kind: z.string(),
  stack_columns: z.array(z.object({ name: z.string(), solution: z.int() })),
  feature_columns: z.array(z.string()),
});

/** What a member says of a row in a run: a share of `x`, and a number of the run's own. */
const said = (member: number, run: number): Scorer => {
  return (row) => Math.min(0.99, Number(row['x']) / 15 + member / 100 + run / 1000);
};

/** The labels of the training file by `x`. */
function labelsOf(files: Record<string, string>): Map<string | undefined, number> {
  return new Map(readCsv(files['train.csv'] ?? '').map((row) => [row['x'], Number(row['target'])]));
}

/** Grades every fold of two members, each fold with a number of its own in what it says, and finishes them. */
async function finishMembers(t: ExecutionContext, opened: Opened, scorer = said): Promise<void> {
  for (const member of [1, 2]) {
    for (const [index, run] of opened.runs.entries()) {
      await gradeFolds(t, { ...opened, runs: [run] }, member, scorer(member, index));
    }
    await opened.harness.finishSolution({ solution: member });
  }
}

/** Answers what members are trained on again, by run in order. */
async function rebuild(t: ExecutionContext, harness: Harness, scorer = said): Promise<RunFolders[]> {
  const { runs } = await harness.cutRebuild({});
  for (const member of [1, 2]) {
    for (const [index, run] of runs.entries()) {
      const out = await makeFolder(t);
      await writeOutput(out, run, scorer(member, index));
      t.deepEqual(await harness.takeRebuild({ solution: member, run_id: run.run_id, out_dir: out }), { failure: null });
    }
  }
  return runs;
}

/** Answers the folds of stack 3 by `inFolds` and the rebuilt ones by `rebuilt`, and finishes it. */
async function finishStack(t: ExecutionContext, harness: Harness, inFolds: Scorer, rebuilt: Scorer) {
  const { runs } = await harness.cutStack({ solution: 3, members: [1, 2] });
  for (const run of runs) {
    const out = await makeFolder(t);
    await writeOutput(out, run, inFolds);
    t.is((await harness.gradeFold({ solution: 3, run_id: run.run_id, out_dir: out })).failure, null);
  }
  const again = await harness.cutRebuiltStack({ solution: 3 });
  for (const run of again.runs) {
    const out = await makeFolder(t);
    await writeOutput(out, run, rebuilt);
    t.deepEqual(await harness.takeRebuiltStack({ solution: 3, run_id: run.run_id, out_dir: out }), { failure: null });
  }
  return harness.finishSolution({ solution: 3 });
}

async function rowsIn(run: RunFolders, kind: 'train' | 'predict'): Promise<Record<string, string>[]> {
  const path = kind === 'train' ? join(run.train_dir, 'train.csv') : join(run.predict_dir, 'rows.csv');
  return readCsv(await readFile(path, 'utf8'));
}

/** `x` of the rows that the runs leave to be scored: in PREDICT of one, with a label. */
async function heldRows(runs: readonly RunFolders[], labels: ReadonlyMap<string | undefined, number>): Promise<Set<string>[]> {
  return Promise.all(
    runs.map(async (run) => new Set((await rowsIn(run, 'predict')).map((row) => row['x'] ?? '').filter((id) => labels.has(id)))),
  );
}

test('a stack learns from out-of-fold scores, and is shown the means of the folds for test rows', async (t) => {
  const files = makeFiles();
  const opened = await openCut(t, files, 'logloss');
  await finishMembers(t, opened);
  const { runs } = await opened.harness.cutStack({ solution: 3, members: [1, 2] });
  const labels = labelsOf(files);
  const held = await heldRows(opened.runs, labels);
  t.is(runs.length, 3);
  for (const [fold, run] of runs.entries()) {
    const task = StackTask.parse(JSON.parse(await readFile(join(run.train_dir, 'task.json'), 'utf8')));
    t.is(task.kind, 'stack');
    t.deepEqual(task.stack_columns, [
      { name: 'level1_1_0', solution: 1 },
      { name: 'level1_2_0', solution: 2 },
    ]);
    t.deepEqual(task.feature_columns.slice(-2), ['level1_1_0', 'level1_2_0']);
    const [train, predict] = [await rowsIn(run, 'train'), await rowsIn(run, 'predict')];
    t.true(train.every((row) => !held[fold]?.has(row['x'] ?? '')));
    t.is(train.length, 120 - (held[fold]?.size ?? 0));
    for (const row of [...train, ...predict]) {
      const id = row['x'] ?? '';
      const own = held.findIndex((ids) => ids.has(id));
      for (const member of [1, 2]) {
        // A test row was answered by every fold: the mean of 0, 1 and 2 is 1.
        const wanted = Number(said(member, labels.has(id) ? own : 1)(row));
        t.true(Math.abs(Number(row[`level1_${member}_0`]) - wanted) < 1e-9, `${id}, fold ${own}`);
      }
    }
  }
});

test('members and stack are rebuilt without the rows of two folds', async (t) => {
  const files = makeFiles();
  const opened = await openCut(t, files, 'logloss');
  await finishMembers(t, opened);
  const runs = await rebuild(t, opened.harness);
  const labels = labelsOf(files);
  const held = await heldRows(opened.runs, labels);
  t.is(runs.length, 6);
  for (const run of runs) {
    const outer = held[run.fold ?? -1] ?? new Set();
    const train = new Set((await rowsIn(run, 'train')).map((row) => row['x'] ?? ''));
    const answered = new Set((await rowsIn(run, 'predict')).map((row) => row['x'] ?? ''));
    t.true([...outer].every((id) => answered.has(id) && !train.has(id)));
    t.is([...answered].filter((id) => train.has(id)).length, 0);
    t.is(new Set([...answered, ...train]).size, 160, 'every row is either learned from or answered');
  }
  await opened.harness.cutStack({ solution: 3, members: [1, 2] });
  const again = await opened.harness.cutRebuiltStack({ solution: 3 });
  t.deepEqual(
    again.runs.map(({ fold }) => fold),
    [0, 1],
  );
  for (const run of again.runs) {
    const inner = runs.filter(({ fold }) => fold === run.fold);
    const innerHeld = await Promise.all(inner.map(async (each) => new Set((await rowsIn(each, 'predict')).map((row) => row['x']))));
    const first = (run.fold ?? 0) * 3;
    const outer = held[run.fold ?? -1] ?? new Set();
    for (const row of await rowsIn(run, 'train')) {
      t.false(outer.has(row['x'] ?? ''));
      const own = innerHeld.findIndex((ids) => ids.has(row['x']));
      t.true(Math.abs(Number(row['level1_1_0']) - Number(said(1, first + own)(row))) < 1e-9);
    }
    for (const row of await rowsIn(run, 'predict')) {
      t.true(Math.abs(Number(row['level1_2_0']) - Number(said(2, first + 1)(row))) < 1e-9, 'the mean of three inner folds');
    }
  }
});

/** A program that was given the labels, as a stack that reads them out of its members' scores would be. */
const knowing =
  (labels: ReadonlyMap<string | undefined, number>): Scorer =>
  (row) =>
    labels.get(row['x']) === undefined ? 0.5 : 0.02 + 0.96 * (labels.get(row['x']) ?? 0);

test('a stack is scored by what it does without the folds, not by its out-of-fold scores, and loses if that is worse', async (t) => {
  const files = makeFiles(600);
  const opened = await openCut(t, files, 'logloss');
  await finishMembers(t, opened);
  await rebuild(t, opened.harness);
  const labels = labelsOf(files);
  const evaluation = await finishStack(t, opened.harness, knowing(labels), () => 0.5);
  t.true(Math.abs(evaluation.score - Math.log(2)) < 1e-9, `${evaluation.score}`);
  t.is(evaluation.fold_scores.length, 2);
  t.true(evaluation.low <= evaluation.score && evaluation.score <= evaluation.high);
  const duel = await opened.harness.judgeStack({ solution: 3, against: 1 });
  t.false(duel.wins);
  t.regex(duel.detail, /without the rows of two folds it scores 0\.69315 there, solution 1 0\.\d+/);
});

test('a stack that is better without the folds wins, is expected to score so, and survives a restart', async (t) => {
  const files = makeFiles(600);
  const opened = await openCut(t, files, 'logloss');
  await finishMembers(t, opened);
  await rebuild(t, opened.harness);
  const evaluation = await finishStack(t, opened.harness, () => 0.5, knowing(labelsOf(files)));
  const duel = await opened.harness.judgeStack({ solution: 3, against: 1 });
  t.true(duel.wins, duel.detail);
  const { expected } = await opened.harness.expectScore({ solution: 3, candidates: [1, 2, 3] });
  t.true(Math.abs((expected?.score ?? 1) - evaluation.score) < 0.01, `${expected?.score}`);
  const path = join(await makeFolder(t), 'state.npz');
  await opened.harness.saveState({ path, solutions: [1, 3] });
  const loaded = await opened.harness.loadState({ path });
  t.deepEqual(loaded.evaluations[1], evaluation);
  t.deepEqual(await opened.harness.judgeStack({ solution: 3, against: 1 }), duel);
});

/** Members 1 and 2 whose models without two folds answer by `rebuilt`, and the answer of a run over all rows for member 1. */
async function refitAfter(t: ExecutionContext, rebuilt: (member: number, run: number) => Scorer, shift = 0.02) {
  const opened = await openCut(t, makeFiles(2_000), 'logloss');
  await finishMembers(t, opened);
  await rebuild(t, opened.harness, rebuilt);
  const { run, detail } = await opened.harness.cutRefit({ solution: 1 });
  if (run === null) return { opened, detail, taken: null };
  const out = await makeFolder(t);
  await writeOutput(out, run, (row) => Math.min(0.99, Number(said(1, 1)(row)) + shift));
  return { opened, detail, taken: await opened.harness.takeRefit({ solution: 1, out_dir: out }) };
}

test('with many rows a refit replaces the mean of the folds where it is better without two folds', async (t) => {
  const { opened, taken, detail } = await refitAfter(t, () => () => 0.5, 0.001);
  t.regex(detail, /one model of all rows scores 0\.\d+ there, the mean of the folds' models 0\.69315; chance alone/);
  t.true(taken?.adopted, taken?.detail);
  t.true(taken?.evaluation?.checks.some(({ name, ok }) => name === 'refit like folds' && ok));
  const path = join(opened.workDir, 'submission.csv');
  t.true((await opened.harness.writeSubmission({ solution: 1, path })).valid);
  const answers = readCsv(await readFile(path, 'utf8'));
  const tests = readCsv(makeFiles(2_000)['test.csv'] ?? '');
  for (const [index, row] of tests.entries()) {
    t.true(Math.abs(Number(answers[index]?.['target']) - Math.min(0.99, Number(said(1, 1)(row)) + 0.001)) < 1e-6);
  }
  await t.throwsAsync(opened.harness.takeRefit({ solution: 1, out_dir: opened.workDir }), { message: /is not for now/ });
});

test('with many rows the mean of the folds stays where it is as good, and a refit that is unlike makes the solution suspect', async (t) => {
  const same = await refitAfter(t, (member, run) => said(member, run % 3));
  t.is(same.taken, null);
  await t.throwsAsync(same.opened.harness.takeRefit({ solution: 1, out_dir: same.opened.workDir }), { message: /is not for now/ });
  const { taken } = await refitAfter(t, () => () => 0.5, 0.4);
  t.false(taken?.adopted);
  t.is(taken?.evaluation?.trust.verdict, 'suspect');
});

test('a solution of an earlier attempt is not refitted: the spread of its folds, by which a refit is judged, is lost', async (t) => {
  const opened = await openCut(t, makeFiles(2_000), 'logloss');
  await finishMembers(t, opened);
  const path = join(await makeFolder(t), 'state.npz');
  await opened.harness.saveState({ path, solutions: [1] });
  await opened.harness.loadState({ path });
  await rebuild(t, opened.harness, () => () => 0.5);
  t.is((await opened.harness.cutRefit({ solution: 1 })).run, null);
  t.not((await opened.harness.cutRefit({ solution: 2 })).run, null);
});

test('nothing is scored before it can be: requests out of order are refused', async (t) => {
  const opened = await openCut(t, makeFiles(), 'logloss');
  await t.throwsAsync(opened.harness.cutStack({ solution: 3, members: [1, 2] }), { message: /solution 1 is unknown/ });
  await finishMembers(t, opened);
  await t.throwsAsync(opened.harness.cutStack({ solution: 3, members: [1, 1] }), { message: /named twice/ });
  await t.throwsAsync(opened.harness.cutStack({ solution: 2, members: [1, 0] }), { message: /cannot be stacked/ });
  const { runs } = await opened.harness.cutStack({ solution: 3, members: [1, 2] });
  await t.throwsAsync(opened.harness.cutRebuiltStack({ solution: 3 }), { message: /solution 1 is not rebuilt without fold 0 yet/ });
  const [stackRun, ownRun] = [runs[0], opened.runs[0]];
  if (stackRun === undefined || ownRun === undefined) return t.fail();
  const out = await makeFolder(t);
  await writeOutput(out, stackRun, () => 0.5);
  // The scores of a fold count for the solution that ran it, and for no other.
  for (const [solution, run] of [
    [4, stackRun],
    [3, ownRun],
  ] as const) {
    await t.throwsAsync(opened.harness.gradeFold({ solution, run_id: run.run_id, out_dir: out }), { message: /no fold of it/ });
  }
  for (const run of runs) {
    const folder = await makeFolder(t);
    await writeOutput(folder, run, () => 0.5);
    await opened.harness.gradeFold({ solution: 3, run_id: run.run_id, out_dir: folder });
  }
  await t.throwsAsync(opened.harness.finishSolution({ solution: 3 }), { message: /is a stack: it is judged by runs without two folds/ });
  await t.throwsAsync(opened.harness.judgeStack({ solution: 3, against: 1 }), { message: /not finished/ });
  await t.throwsAsync(opened.harness.judgeStack({ solution: 1, against: 2 }), { message: /solution 1 is no stack/ });
});

test('decisions are refused, and a blend leaves its members’ word for what they are', async (t) => {
  const opened = await openCut(t, makeFiles(), 'accuracy');
  await gradeFolds(t, opened, 1, () => 1, { name: 'predictions.csv' });
  t.false((await opened.harness.finishSolution({ solution: 1 })).raw);
  await gradeFolds(t, opened, 2, said(2, 0));
  t.true((await opened.harness.finishSolution({ solution: 2 })).raw);
  await t.throwsAsync(opened.harness.cutStack({ solution: 3, members: [1, 2] }), { message: /wrote decisions/ });
});

test('where folds are blocks of time nothing is stacked', async (t) => {
  const shape = timeShape();
  const harness = openHarness(t);
  await fixTask(t, harness, { dataDir: await writeFiles(t, shape.files), metric: shape.metric });
  await harness.cut({ fold_count: 4 });
  await t.throwsAsync(harness.cutRebuild({}), { message: /nothing can be stacked here/ });
});

/** Every folder of what is rebuilt without fold 0, with the same answers of the members. */
async function rebuiltFolders(t: ExecutionContext, harness: Harness, cut: readonly RunFolders[]): Promise<string[][]> {
  const columns = await readFile(join(cut[0]?.predict_dir ?? '', 'sample.csv'), 'utf8');
  const [, ...names] = (columns.split('\n')[0] ?? '').split(',');
  const answer: Scorer = (row) => names.map((_, i) => ((Number(row['key']) * 7 + i) % 10) / 20 + 0.1).join(',');
  const write = async (run: RunFolders) => {
    const out = await makeFolder(t);
    await mkdir(out, { recursive: true });
    await writeOutput(out, run, answer, { column: names.join(',') });
    return out;
  };
  for (const solution of [1, 2]) {
    for (const run of cut) await harness.gradeFold({ solution, run_id: run.run_id, out_dir: await write(run) });
    await harness.finishSolution({ solution });
  }
  await harness.cutStack({ solution: 3, members: [1, 2] });
  const { runs } = await harness.cutRebuild({});
  for (const solution of [1, 2]) {
    for (const run of runs) await harness.takeRebuild({ solution, run_id: run.run_id, out_dir: await write(run) });
  }
  const again = await harness.cutRebuiltStack({ solution: 3 });
  const first = [...runs, ...again.runs].filter(({ fold }) => fold === 0);
  return (await Promise.all(first.map((run) => fingerprints(run)))).flat();
}

/** What can be seen of runs without fold 0, and again with every label of that fold changed. */
async function compareRelabelled(t: ExecutionContext, shape: Shape, python?: string): Promise<string[][][]> {
  const first = openHarness(t, python);
  const fixed = await fixTask(t, first, { dataDir: await writeFiles(t, shape.files), metric: shape.metric });
  const cut = await first.cut({ fold_count: 4 });
  const stored = await readFile(join(fixed.workDir, 'harness', 'folds.json'), 'utf8');
  const { vector } = StoredFolds.parse(JSON.parse(stored));
  const dataDir = await writeFiles(t, { ...shape.files, 'train.csv': relabelled(shape, vector, 0) });
  const workDir = await makeFolder(t);
  await mkdir(join(workDir, 'harness'));
  await writeFile(join(workDir, 'harness', 'folds.json'), stored);
  const second = openHarness(t, python);
  await second.fixTask({ data_dir: dataDir, work_dir: workDir, profile: fixed.profile, metric: metricOf(shape.metric), seed: 7 });
  const again = await second.cut({ fold_count: 4 });
  return [await rebuiltFolders(t, first, cut.runs), await rebuiltFolders(t, second, again.runs)];
}

for (const shape of [rowsShape(), groupsShape(), targetsShape(), survivalShape()]) {
  test(`what is rebuilt without a fold sees none of its labels: ${shape.shape}, ${shape.metric}`, async (t) => {
    const [left, right] = await compareRelabelled(t, shape);
    t.is(left?.length, 2 * 5);
    t.deepEqual(right, left);
  });
}

for (const { title, from, to } of [
  {
    title: 'inner folds are cut by all labels',
    from: 'inner = _cut_rows(task, rows, folds.count, random_of(task, "inner folds", folds.count, outer))',
    to: 'inner = _cut_rows(task, np.roll(np.arange(task.n_train), outer)[-len(rows):], folds.count, random_of(task, "inner folds", outer))',
  },
  {
    title: 'the rows of the fold are learned from',
    from: 'rows = folds.training_rows(outer, task.times)\n    inner',
    to: 'rows = np.arange(task.n_train)\n    inner',
  },
]) {
  test(`this goes red when ${title}`, async (t) => {
    const python = await makeLeaky(t, { file: 'folds.py', from, to });
    const [left, right] = await compareRelabelled(t, rowsShape(), python);
    t.notDeepEqual(right, left);
  });
}
