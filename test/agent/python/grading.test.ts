import { execFileSync } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { startHarness } from '#agent/evaluate/harness-client.ts';
import { isOfAnswers, isOfObjectives } from '#agent/task/metric.ts';
import { METRIC_IDS } from '#agent/evaluate/metric-ids.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { directionOf } from '#agent/task/metric.ts';
import { binaryCompetition, fixTask, makeCsv, makeFolder, makeRandom, openHarness, readCsv, writeFiles } from './_harness.ts';
import { PYTHON } from '../../_support/python.ts';
import { gradeFolds, openCut, writeOutput } from './_grading.ts';
import type { Opened, Scorer } from './_grading.ts';

async function gradeAll(
  t: ExecutionContext,
  opened: Opened,
  solution: number,
  scorer: Scorer,
  options?: { name?: string; column?: string },
) {
  const grades = await gradeFolds(t, opened, solution, scorer, options);
  t.true(grades.every(({ rows }) => rows === 40));
  return opened.harness.finishSolution({ solution });
}

const certain: Scorer = (row) => Number(row['x']) / 10;

/** The small competition with numbers above 0 as its target: ten times `x`, about. */
function numberCompetition(low = 20): Record<string, string> {
  const random = makeRandom(5);
  const row = (id: number, labelled: boolean) => {
    const x = random() * 10;
    return [id, x.toFixed(3), ...(labelled ? [(low + 10 * x * (0.8 + 0.4 * random())).toFixed(3)] : [])];
  };
  return {
    'train.csv': makeCsv(['id', 'x', 'target'], 120, (i) => row(i + 1, true)),
    'test.csv': makeCsv(['id', 'x'], 40, (i) => row(121 + i, false)),
    'sample_submission.csv': makeCsv(['id', 'target'], 40, (i) => [121 + i, 10.5]),
  };
}

const NUMBERS: ReadonlySet<MetricId> = new Set<MetricId>([
  ...(['rmse', 'rmse_mean_columns', 'rmsle', 'rmsle_mean_columns', 'mse', 'msle', 'mae', 'mae_mean_columns', 'medae', 'mape'] as const),
  ...(['smape', 'rmspe', 'log_cosh', 'poisson_deviance', 'gamma_deviance', 'r2', 'explained_variance', 'pearson'] as const),
  ...(['spearman', 'spearman_mean_columns', 'wape', 'wmae', 'wrmse', 'wr2', 'pearson_by_group', 'spearman_by_group'] as const),
]);
/** Those of several targets at once (tested in metric-extras.test.ts), of survival (shapes.test.ts), and of forecasts (forecasts.test.ts). */
const JOINT: ReadonlySet<MetricId> = new Set<MetricId>([
  'f1_samples',
  'jaccard_samples',
  'haversine',
  'concordance',
  'stratified_concordance',
  'mean_pinball',
  'rmsse',
]);

/** The same with eras in both tables and weights in the first. */
function withExtras(files: Record<string, string>): Record<string, string> {
  const add = (name: string, cells: (row: number) => string) =>
    (files[name] ?? '')
      .trim()
      .split('\n')
      .map((line, row) => `${line},${cells(row)}`)
      .join('\n');
  return {
    ...files,
    'train.csv': `${add('train.csv', (row) => (row === 0 ? 'era,weight' : `e${row % 6},${1 + (row % 3)}`))}\n`,
    'test.csv': `${add('test.csv', (row) => (row === 0 ? 'era' : `e${row % 6}`))}\n`,
  };
}

// One harness for all of them: to start it takes longer than to grade.
const shared = startHarness({ python: PYTHON, threads: 1, env: { PATH: process.env['PATH'] }, timeoutMs: 60_000 });
test.after.always(() => shared.close());

for (const metric of METRIC_IDS.filter((id) => !JOINT.has(id) && !isOfAnswers(id) && !isOfObjectives(id))) {
  test.serial(`by ${metric}, scores that know something are clearly better than the best constant`, async (t) => {
    const isNumber = NUMBERS.has(metric);
    const opened = await openCut(t, withExtras(isNumber ? numberCompetition() : binaryCompetition()), metric, shared);
    const { harness } = opened;
    const { evaluation: constant } = await harness.baseline({});
    const scorer: Scorer = isNumber ? (row) => 20 + 10 * Number(row['x']) : (row) => 1 / (1 + Math.exp(-2 * (Number(row['x']) - 5)));
    const found = await gradeAll(t, opened, 1, scorer);
    const sign = directionOf(metric) === 'maximize' ? 1 : -1;
    // Recall alone is perfect when every row is called positive.
    if (metric !== 'recall') t.true(sign * (found.score - constant.score) > 0, `${found.score} against ${constant.score}`);
    t.true(Number.isFinite(found.standard_error) && found.low <= found.score && found.score <= found.high);
    await gradeAll(t, opened, 2, (row) => (isNumber ? 35 + 7 * Number(row['x']) : 0.2 + 0.06 * Number(row['x'])));
    const blended = await harness.blend({ solution: 3, members: [1, 2], families: ['a', 'b'] });
    if (metric !== 'recall')
      t.true(sign * (blended.evaluation.score - constant.score) > 0, `blended: ${blended.evaluation.score} against ${constant.score}`);
  });
}

test('numbers for which a deviance has no value are refused before anything is run', async (t) => {
  for (const [metric, words] of [
    ['poisson_deviance', /needs numbers of 0 or more/],
    ['gamma_deviance', /needs numbers above 0/],
  ] as const) {
    const dataDir = await writeFiles(t, numberCompetition(-40));
    await t.throwsAsync(fixTask(t, openHarness(t), { dataDir, metric }), { message: words });
  }
});

const HOSTILE: [string, (lines: string[]) => string | Uint8Array, RegExp][] = [
  ['nothing', () => '', /scores.csv is empty/],
  ['only a header', (lines) => `${lines[0]}\n`, /80 of 80 keys are missing/],
  ['a missing key', (lines) => lines.slice(0, -1).join('\n'), /1 of 80 keys are missing/],
  ['a key twice', (lines) => [...lines, lines[1]].join('\n'), /occurs 2 times; give every key once/],
  ['an unknown key', (lines) => [...lines, '999999,0.5'].join('\n'), /1 unknown keys, the first is 999999 in row 81/],
  ['a text key', (lines) => [...lines.slice(0, -1), 'last,0.5'].join('\n'), /a key is not a whole number/],
  [
    'NaN',
    (lines) => [...lines.slice(0, -1), `${lines.at(-1)?.split(',')[0]},nan`].join('\n'),
    /column "target" is empty, NaN or infinite in 1 rows, first in row 80/,
  ],
  ['infinity', (lines) => [...lines.slice(0, -1), `${lines.at(-1)?.split(',')[0]},-inf`].join('\n'), /NaN or infinite/],
  ['an empty cell', (lines) => [...lines.slice(0, -1), `${lines.at(-1)?.split(',')[0]},`].join('\n'), /is empty, NaN or infinite/],
  ['words', (lines) => [...lines.slice(0, -1), `${lines.at(-1)?.split(',')[0]},high`].join('\n'), /holds something that is no number/],
  ['a number beyond measure', (lines) => [...lines.slice(0, -1), `${lines.at(-1)?.split(',')[0]},1e305`].join('\n'), /beyond 1e300/],
  ['another column', (lines) => lines.join('\n').replace('target', 'score'), /lacks the column "target"/],
  ['one column too many', (lines) => lines.map((line, i) => `${line},${i ? 1 : 'extra'}`).join('\n'), /unknown column "extra"/],
  ['no key column', (lines) => lines.join('\n').replace('key', 'id'), /lacks the column "key"/],
  ['a column twice', (lines) => lines.map((line, i) => `${line},${i ? 1 : 'target'}`).join('\n'), /a column twice/],
  ['ragged rows', (lines) => [...lines, '1,2,3'].join('\n'), /cannot be read as CSV/],
  ['binary garbage', () => Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x81]), /not UTF-8 text|cannot be read/],
  ['a file far too large', (lines) => `${lines.join('\n')}\n${' '.repeat(3_000_000)}`, /bytes; .* are enough/],
];

for (const [title, spoil, message] of HOSTILE) {
  test(`an output with ${title} is refused in one line, and a good one can follow`, async (t) => {
    const { harness, runs } = await openCut(t, binaryCompetition(), 'auc');
    const [run] = runs;
    if (!run) return t.fail('no run');
    const folder = await makeFolder(t);
    await writeOutput(folder, run, certain);
    const good = await readFile(join(folder, 'scores.csv'), 'utf8');
    await writeFile(join(folder, 'scores.csv'), spoil(good.trim().split('\n')));
    const refused = await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: folder });
    t.regex(refused.failure ?? '', message);
    t.is(refused.score, null);
    t.false(refused.failure?.includes('\n'));
    await writeFile(join(folder, 'scores.csv'), good);
    t.is((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: folder })).failure, null);
  });
}

test('links, devices and a missing file are refused', async (t) => {
  const { harness, runs } = await openCut(t, binaryCompetition(), 'auc');
  const [run] = runs;
  if (!run) return t.fail('no run');
  const folder = await makeFolder(t);
  const grade = () => harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: folder });
  t.regex((await grade()).failure ?? '', /neither scores.csv nor predictions.csv/);
  await symlink('/etc/hostname', join(folder, 'scores.csv'));
  t.regex((await grade()).failure ?? '', /not a plain readable file/);
  const pipes = await makeFolder(t);
  execFileSync('mkfifo', [join(pipes, 'scores.csv')]);
  t.regex((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: pipes })).failure ?? '', /not a regular file/);
});

test('a good solution beats the constant baseline, and its file is valid', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'auc');
  const baseline = await opened.harness.baseline({});
  t.is(baseline.evaluation.score, 0.5);
  const evaluation = await gradeAll(t, opened, 1, certain);
  t.true(evaluation.score > 0.8, `${evaluation.score}`);
  t.true(evaluation.low < evaluation.score && evaluation.score < evaluation.high);
  t.is(evaluation.fold_scores.length, 3);
  const path = join(opened.workDir, 'submission.csv');
  const written = await opened.harness.writeSubmission({ solution: 1, path });
  t.true(written.valid);
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  t.is(lines[0], 'id,target');
  t.deepEqual(
    lines.slice(1).map((line) => line.split(',')[0]),
    Array.from({ length: 40 }, (_, i) => String(121 + i)),
  );
});

test('test scores come back to their own ids', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'auc');
  await gradeAll(t, opened, 1, certain);
  const path = join(opened.workDir, 'submission.csv');
  await opened.harness.writeSubmission({ solution: 1, path });
  const x = new Map(readCsv(binaryCompetition()['test.csv'] ?? '').map((row) => [row['id'], Number(row['x'])]));
  for (const row of readCsv(await readFile(path, 'utf8'))) t.true(Math.abs(Number(row['target']) * 10 - (x.get(row['id']) ?? -1)) < 1e-6);
});

test('F1 gets a threshold that is chosen on the other folds', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'f1');
  const low = await gradeAll(t, opened, 1, (row) => Number(row['x']) / 100);
  t.is(low.aggregate, 'pooled');
  t.true(low.score > 0.7, 'no score reaches 0.5, yet rows are decided');
  const path = join(opened.workDir, 'submission.csv');
  t.true((await opened.harness.writeSubmission({ solution: 1, path })).valid);
  t.deepEqual([...new Set(readCsv(await readFile(path, 'utf8')).map((row) => row['target']))].toSorted(), ['0', '1']);
});

test('predictions without scores are graded as they are and cannot be blended', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'accuracy');
  const scorer: Scorer = (row) => (Number(row['x']) > 5 ? 1 : 0);
  const evaluation = await gradeAll(t, opened, 1, scorer, { name: 'predictions.csv' });
  t.true(evaluation.score > 0.7);
  await t.throwsAsync(opened.harness.blend({ solution: 9, members: [1], families: ['a'] }), { message: /cannot be blended/ });
});

test('a saved state goes on in another process with the same scores', async (t) => {
  const files = binaryCompetition();
  const opened = await openCut(t, files, 'auc');
  const evaluation = await gradeAll(t, opened, 1, certain);
  const path = join(await makeFolder(t), 'state.npz');
  await opened.harness.saveState({ path, solutions: [0, 1] });
  const first = await opened.harness.writeSubmission({ solution: 1, path: join(opened.workDir, 'a.csv') });
  const again = await openCut(t, files, 'auc');
  const loaded = await again.harness.loadState({ path });
  t.deepEqual(loaded.evaluations[1], evaluation);
  const second = await again.harness.writeSubmission({ solution: 1, path: join(again.workDir, 'a.csv') });
  t.is(second.sha256, first.sha256);
  await writeFile(path, (await readFile(path)).subarray(0, 300));
  await t.throwsAsync(again.harness.loadState({ path }), { message: /cannot be read/ });
  const other = await openCut(t, binaryCompetition(150, 40), 'auc');
  await opened.harness.saveState({ path, solutions: [1] });
  await t.throwsAsync(other.harness.loadState({ path }), { message: /belongs to another task/ });
});

const SPOILED: [string, (lines: string[]) => string[], string][] = [
  ['another header', (lines) => ['id,prediction', ...lines.slice(1)], 'header'],
  ['a row less', (lines) => lines.slice(0, -1), 'row count'],
  ['a foreign id', (lines) => [...lines.slice(0, -1), 'zzz,0.5'], 'ids'],
  ['another order', (lines) => [lines[0] ?? '', ...lines.slice(1).toReversed()], 'id order'],
  ['a hole', (lines) => [...lines.slice(0, -1), '160,'], 'numbers of target'],
  ['a probability of 2', (lines) => [...lines.slice(0, -1), '160,2'], 'range of target'],
];

test('the validator names what is wrong with a file and never repairs it', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'auc');
  await gradeAll(t, opened, 1, certain);
  const path = join(opened.workDir, 'submission.csv');
  await opened.harness.writeSubmission({ solution: 1, path });
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  for (const [title, spoil, check] of SPOILED) {
    await writeFile(path, `${spoil(lines).join('\n')}\n`);
    const reply = await opened.harness.validate({ path });
    t.false(reply.valid, title);
    t.is(reply.checks.find((one) => !one.ok && !one.name.startsWith('warning'))?.name, check, title);
  }
  t.false((await opened.harness.validate({ path: join(opened.workDir, 'nothing.csv') })).valid);
  await writeFile(
    path,
    `${lines[0]}\n${lines
      .slice(1)
      .map((line) => `${line.split(',')[0]},0.5`)
      .join('\n')}\n`,
  );
  const constant = await opened.harness.validate({ path });
  t.true(constant.valid);
  t.deepEqual(
    constant.checks.filter((one) => !one.ok).map((one) => one.name),
    ['warning: not constant', 'warning: not the sample'],
  );
});

test('one column a class is written in the order of the sample, and rows sum to 1', async (t) => {
  const random = makeRandom(4);
  const classes = ['bird', 'cat', 'dog'];
  const opened = await openCut(
    t,
    {
      'train.csv': makeCsv(['id', 'x', 'kind'], 120, (i) => [i, (random() * 10).toFixed(3), classes[i % 3] ?? '']),
      'test.csv': makeCsv(['id', 'x'], 40, (i) => [i + 120, (random() * 10).toFixed(3)]),
      'sample_submission.csv': makeCsv(['id', 'dog', 'bird', 'cat'], 40, (i) => [i + 120, 0.3, 0.3, 0.4]),
    },
    'logloss',
  );
  const scorer: Scorer = (row) => `${Number(row['x'])},1,2`;
  const evaluation = await gradeAll(t, opened, 1, scorer, { column: 'kind=dog,kind=bird,kind=cat' });
  t.true(Number.isFinite(evaluation.score));
  const path = join(opened.workDir, 'submission.csv');
  const written = await opened.harness.writeSubmission({ solution: 1, path });
  t.true(written.valid, JSON.stringify(written.checks));
  t.is((await readFile(path, 'utf8')).split('\n')[0], 'id,dog,bird,cat');
});

test('requests out of order or against the rules are refused', async (t) => {
  const harness = openHarness(t);
  await t.throwsAsync(harness.cut({ fold_count: null }), { message: /fix_task must come first/ });
  const opened = await openCut(t, binaryCompetition(), 'auc');
  await t.throwsAsync(opened.harness.gradeFold({ solution: 0, run_id: 'fold-0', out_dir: '/nowhere' }), { message: /cannot be graded/ });
  await t.throwsAsync(opened.harness.gradeFold({ solution: 1, run_id: 'fold-77', out_dir: '/nowhere' }), { message: /there is no run/ });
  await t.throwsAsync(opened.harness.finishSolution({ solution: 5 }), { message: /solution 5 is unknown/ });
  await gradeAll(t, opened, 1, certain);
  await t.throwsAsync(opened.harness.cut({ fold_count: 4 }), { message: /incomparable/ });
  await t.throwsAsync(
    opened.harness.gradeFold({ solution: 1, run_id: 'fold-0', out_dir: await makeFolder(t) }).then((grade) => {
      if (grade.failure) throw new Error(grade.failure);
    }),
    { message: /neither/ },
  );
});
