/** What measures the solvers: the judge, the tables, and the one who runs them. */
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { keepCell, readCells, readSets } from '../../bench/solver/cells.ts';
import type { Cell } from '../../bench/solver/cells.ts';
import { measureProgram } from '../../bench/solver/measure.ts';
import { writeReport } from '../../bench/solver/report.ts';
import { PYTHON } from '../_support/python.ts';

const JUDGE = new URL('../../bench/solver/judge.py', import.meta.url).pathname;
const Judgement = z.object({
  kind: z.string(),
  fault: z.string().optional(),
  loss: z.number().optional(),
  naive: z.number().optional(),
  resampled: z.array(z.number()).optional(),
});

function makeCell(part: Partial<Cell>): Cell {
  return {
    set: 'ames-prices',
    split: 1,
    system: 'ours',
    limitS: 60,
    toldS: 60,
    version: 'v',
    machine: 'm',
    at: '2026-01-01T00:00:00.000Z',
    seconds: 55,
    peakMemoryMib: 900,
    failure: null,
    loss: 0.2,
    naive: 1,
    resampled: [0.19, 0.2, 0.21],
    promised: null,
    firstValidS: null,
    ...part,
  };
}

/** The cells of a table's row, by its first cells. */
function findRow(report: string, ...first: readonly string[]): string[] {
  const rows = report.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.find((cells) => first.every((word, index) => cells[index + 1] === word))?.slice(1, -1) ?? [];
}

test('wins, ties and losses are told by the error of the difference; the gain is a share of what the better one gained on the constant', async (t) => {
  const sets = await readSets();
  const cells = [
    makeCell({ set: 'ames-prices' }),
    makeCell({ set: 'ames-prices', system: 'flaml', loss: 0.4, resampled: [0.38, 0.4, 0.42] }),
    makeCell({ set: 'leaves' }),
    // Beside ours by less than resampled rows move it.
    makeCell({ set: 'leaves', system: 'flaml', loss: 0.201, resampled: [0.22, 0.2, 0.18] }),
    makeCell({ set: 'pupils' }),
    makeCell({ set: 'pupils', system: 'flaml', loss: 0.1, resampled: [0.09, 0.1, 0.11] }),
  ];
  const report = writeReport(sets, cells);
  const [peer, limit, wins, ties, losses, gain] = findRow(report, 'flaml', 'as told');
  t.deepEqual([peer, limit, wins, ties, losses], ['flaml', 'as told', '1', '1', '1']);
  const mean = ((0.4 - 0.2) / 0.8 + 0.001 / 0.8 + (0.1 - 0.2) / 0.9) / 3;
  t.is(Number((gain ?? '').split(' ')[0]), Number(mean.toPrecision(4)));
  t.deepEqual(findRow(report, 'flaml', 'no credit for time'), [], 'nothing was measured so');
});

test('a solver without a valid file has what the constant has', async (t) => {
  const peer = makeCell({ system: 'autogluon-good', loss: null, naive: null, resampled: [], failure: 'code 1: no memory' });
  const report = writeReport(await readSets(), [makeCell({}), peer]);
  t.deepEqual(findRow(report, 'autogluon-good', 'as told').slice(2, 5), ['1', '0', '0']);
  t.is(findRow(report, 'autogluon-good', 'as told')[5], '1 [1, 1]');
  t.deepEqual(findRow(report, 'autogluon-good', '1').slice(1, 3), ['1', '1'], 'one run, without a file');
});

test('a peer that ran over is compared as told, and apart with that much less', async (t) => {
  const late = makeCell({ system: 'flaml', seconds: 75, loss: 0.1, resampled: [0.1, 0.1, 0.1] });
  const cut = makeCell({ system: 'flaml', toldS: 45, seconds: 59, loss: 0.3, resampled: [0.3, 0.3, 0.3] });
  const report = writeReport(await readSets(), [makeCell({}), late, cut]);
  t.deepEqual(findRow(report, 'flaml', 'as told').slice(2, 5), ['0', '0', '1']);
  t.deepEqual(findRow(report, 'flaml', 'no credit for time').slice(2, 5), ['1', '0', '0']);
  const limits = findRow(report, 'flaml', '1');
  t.deepEqual(limits.slice(3, 5), ['1', '15.0 s'], 'one run over by more than 2 s');
});

test('promised intervals are counted: inside, inside the middle 80 %, and better than told', async (t) => {
  const promised = { low: 0.1, high: 0.3 };
  const cells = [0.2, 0.29, 0.05, 0.4].map((loss, index) => makeCell({ split: index + 1, loss, promised }));
  const words = writeReport(await readSets(), cells)
    .trim()
    .split('\n')
    .at(-1);
  t.is(words, 'Of 4 runs with a promised interval 2 ended inside it (95 %), 1 inside its middle 80 %, 1 better than it.');
});

test('what was measured is kept line by line; of two results of one cell the later counts', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'bench-solver-'));
  t.teardown(async () => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'results.jsonl');
  t.deepEqual(await readCells(path), []);
  for (const cell of [makeCell({ loss: 0.5 }), makeCell({ split: 2 }), makeCell({ loss: 0.4 })]) await keepCell(path, cell);
  t.deepEqual(
    (await readCells(path)).map(({ split, loss }) => [split, loss]),
    [
      [1, 0.4],
      [2, 0.2],
    ],
  );
});

test('a program is measured with all that it started, and ended when it takes too long', async (t) => {
  const short = await measureProgram(PYTHON, ['-c', 'import sys; print("done"); sys.exit(3)'], { mostS: 60 });
  t.like(short, { code: 3, output: 'done\n' });
  const dir = await mkdtemp(join(tmpdir(), 'bench-measure-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const seen = join(dir, 'seen');
  const child = `import os, time; kept = b"x" * (90 << 20)\nwhile not os.path.exists(${JSON.stringify(seen)}): time.sleep(0.05)`;
  const parent = 'import subprocess, sys; sys.exit(subprocess.call([sys.executable, "-c", sys.argv[1]]))';
  // The program lives until what it started was measured: on a busy machine a sample may come late.
  const onSample = (memoryMib: number) => memoryMib > 90 && writeFileSync(seen, '');
  const long = await measureProgram(PYTHON, ['-c', parent, child], { mostS: 60, onSample });
  t.is(long.code, 0);
  t.true(long.peakMemoryMib > 90, String(long.peakMemoryMib));
  const ended = await measureProgram(PYTHON, ['-c', 'import time; time.sleep(600)'], { mostS: 1 });
  t.is(ended.code, null);
});

const TRUTH = 'id,Sale_Price\n3,100\n4,200\n5,400\n';
const SAMPLE = 'id,Sale_Price\n3,200\n4,200\n5,200\n';

async function judge(set: string, files: { readonly truth: string; readonly sample: string; readonly submission: string }) {
  const dir = await mkdtemp(join(tmpdir(), 'bench-judge-'));
  try {
    await mkdir(join(dir, 'folder'));
    await writeFile(join(dir, 'answers.csv'), files.truth);
    await writeFile(join(dir, 'folder/sample_submission.csv'), files.sample);
    await writeFile(join(dir, 'submission.csv'), files.submission);
    const paths = { folder: 'folder', answers: 'answers.csv', submission: 'submission.csv' };
    const args = Object.entries(paths).flatMap(([name, path]) => [`--${name}`, join(dir, path)]);
    const { output, said } = await measureProgram(PYTHON, [JUDGE, '--set', set, ...args], { mostS: 60 });
    if (output === '') throw new Error(said);
    return Judgement.parse(JSON.parse(output));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

test('the judge takes rows in any order, and tells the loss beside the constant’s', async (t) => {
  const found = await judge('ames-prices', { truth: TRUTH, sample: SAMPLE, submission: 'Sale_Price,id\n200,4\n400,5\n200,3\n' });
  const off = (truth: number, told: number) => (Math.log1p(truth) - Math.log1p(told)) ** 2;
  t.is(found.kind, 'valid');
  t.true(Math.abs((found.loss ?? 0) - Math.sqrt(off(100, 200) / 3)) < 1e-12);
  t.true(Math.abs((found.naive ?? 0) - Math.sqrt((off(100, 200) + off(400, 200)) / 3)) < 1e-12);
  t.is(found.resampled?.length, 40);
});

for (const [why, submission, fault] of [
  ['a column too many', 'id,Sale_Price,x\n3,1,1\n4,1,1\n5,1,1\n', /columns/],
  ['a row twice', 'id,Sale_Price\n3,1\n4,1\n4,1\n', /ids/],
  ['a row missing', 'id,Sale_Price\n3,1\n4,1\n', /ids/],
  ['an empty cell', 'id,Sale_Price\n3,1\n4,\n5,1\n', /empty/],
  ['nothing at all', '', /cannot be read/],
] as const) {
  test(`a file with ${why} is not valid`, async (t) => {
    const found = await judge('ames-prices', { truth: TRUTH, sample: SAMPLE, submission });
    t.is(found.kind, 'fault');
    t.regex(found.fault ?? '', fault);
  });
}

test('the judge finds classes by their names, also where they are numbers', async (t) => {
  const classes = 'id,1,2,3\n7,0.5,0.25,0.25\n8,0.1,0.1,0.8\n';
  const found = await judge('leaves', {
    truth: 'id,species\n7,1\n8,3\n',
    sample: 'id,1,2,3\n7,0.4,0.3,0.3\n8,0.4,0.3,0.3\n',
    submission: classes,
  });
  t.true(Math.abs((found.loss ?? 0) + (Math.log(0.5) + Math.log(0.8)) / 2) < 1e-12);
});

test('labels of two classes: the judge’s area under the curve is of the later one', async (t) => {
  const rows = Array.from({ length: 40 }, (_, index) => index + 1);
  const found = await judge('customer-churn', {
    truth: `id,churn\n${rows.map((id) => `${id},${id % 2 === 0 ? 'yes' : 'no'}`).join('\n')}\n`,
    sample: `id,churn\n${rows.map((id) => `${id},0.5`).join('\n')}\n`,
    // Every yes above every no, but for ten of each, which are alike.
    submission: `id,churn\n${rows.map((id) => `${id},${id > 20 ? 0.5 : id % 2 === 0 ? 0.9 : 0.1}`).join('\n')}\n`,
  });
  t.true(Math.abs((found.loss ?? 0) - 0.125) < 1e-12);
  t.is(found.naive, 0.5);
});
