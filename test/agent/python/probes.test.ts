import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Evaluation, RunFolders } from '#agent/evaluate/harness-protocol.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { openCut } from './_grading.ts';
import type { Opened } from './_grading.ts';
import { listsShape } from './_shapes.ts';
import { makeCsv, makeFolder, makeRandom, openHarness, readCsv } from './_harness.ts';

type Row = Record<string, string>;
/** What a program answers for one row, all score columns, from what it has learned. */
type Program = (learned: readonly Row[], row: Row) => readonly number[];

const normal = (random: () => number) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const CLASSES = ['ant', 'bee', 'cat'];

interface Kind {
  readonly metric: MetricId;
  readonly columns: readonly string[];
  /** The label of a hidden number. */
  readonly label: (hidden: number) => string;
  readonly answer: (labels: readonly string[]) => readonly number[];
}

const share = (labels: readonly string[], wanted: string) => labels.filter((label) => label === wanted).length / Math.max(1, labels.length);
const KINDS: Readonly<Record<string, Kind>> = {
  'two classes': {
    metric: 'auc',
    columns: ['target'],
    label: (hidden) => (hidden > 0.4 ? '1' : '0'),
    answer: (labels) => [share(labels, '1')],
  },
  'three classes': {
    metric: 'accuracy',
    columns: CLASSES.map((name) => `target=${name}`),
    label: (hidden) => CLASSES[hidden > 0.5 ? 0 : hidden > -0.6 ? 1 : 2] ?? '',
    answer: (labels) => CLASSES.map((name) => 0.9 * share(labels, name) + 0.1 / 3),
  },
  numbers: {
    metric: 'rmse',
    columns: ['target'],
    label: (hidden) => Math.exp(hidden).toFixed(4),
    answer: (labels) => [labels.reduce((sum, label) => sum + Number(label), 0) / Math.max(1, labels.length)],
  },
};

/** `x` tells part of the label; `id` tells nothing. */
function makeFiles({ label }: Kind, rows = 600, tests = 200): { files: Record<string, string>; truth: ReadonlyMap<string, string> } {
  const random = makeRandom(8);
  const made = Array.from({ length: rows + tests }, () => {
    const x = normal(random);
    return { id: String(1e5 + Math.floor(random() * 9e5)), x: x.toFixed(4), other: Math.floor(random() * 9), y: label(x + normal(random)) };
  });
  const ids = new Set<string>();
  for (const row of made) {
    while (ids.has(row.id)) row.id = String(Number(row.id) + 1);
    ids.add(row.id);
  }
  const at = (index: number) => made[index] ?? { id: '', x: '', other: 0, y: '' };
  const shown = (index: number) => [at(index).id, at(index).x, at(index).other];
  const files = {
    'train.csv': makeCsv(['id', 'x', 'other', 'target'], rows, (i) => [...shown(i), at(i).y]),
    'test.csv': makeCsv(['id', 'x', 'other'], tests, (i) => shown(rows + i)),
  };
  return { files, truth: new Map(made.map(({ id, y }) => [id, y])) };
}

/** Answers by the labels of the forty nearest rows. */
const honest =
  ({ answer }: Kind): Program =>
  (learned, row) => {
    const near = learned
      .toSorted((left, right) => Math.abs(Number(left['x']) - Number(row['x'])) - Math.abs(Number(right['x']) - Number(row['x'])))
      .slice(0, 40);
    return answer(near.map((one) => one['target'] ?? ''));
  };

/** Knows the answer of every `every`-th id, and learns the others. */
const remembering =
  (kind: Kind, truth: ReadonlyMap<string, string>, every: number): Program =>
  (learned, row) =>
    Number(row['id']) % every === 0 ? kind.answer([truth.get(row['id'] ?? '') ?? '']) : honest(kind)(learned, row);

async function runProgram(folder: string, run: RunFolders, { columns }: Kind, program: Program): Promise<void> {
  await mkdir(folder, { recursive: true });
  const learned = readCsv(await readFile(join(run.train_dir, 'train.csv'), 'utf8'));
  const rows = readCsv(await readFile(join(run.predict_dir, 'rows.csv'), 'utf8'));
  const lines = rows.map((row) => `${row['key']},${program(learned, row).join(',')}`);
  await writeFile(join(folder, 'scores.csv'), `key,${columns.join(',')}\n${lines.join('\n')}\n`);
}

async function measure(t: ExecutionContext, { harness, runs }: Opened, kind: Kind, program: Program, solution = 1): Promise<Evaluation> {
  const out = await makeFolder(t);
  for (const run of runs) {
    await runProgram(join(out, run.run_id), run, kind, program);
    t.is((await harness.gradeFold({ solution, run_id: run.run_id, out_dir: join(out, run.run_id) })).failure, null);
  }
  return harness.finishSolution({ solution });
}

async function probe(t: ExecutionContext, { harness }: Opened, kind: Kind, program: Program, solution = 1): Promise<Evaluation> {
  const out = await makeFolder(t);
  const { probes } = await harness.cutProbes({ generated: true });
  const outcomes = [];
  for (const { kind: name, run } of probes) {
    await runProgram(join(out, name), run, kind, program);
    outcomes.push({ kind: name, out_dir: join(out, name), failure: null, is_fault: false });
  }
  return harness.judgeProbes({ solution, generated: true, outcomes });
}

const failed = ({ checks }: Evaluation) => checks.filter(({ ok }) => !ok).map(({ name }) => name);

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}: an honest program passes every probe`, async (t) => {
    const opened = await openCut(t, makeFiles(kind).files, kind.metric);
    await measure(t, opened, kind, honest(kind));
    const evaluation = await probe(t, opened, kind, honest(kind));
    t.deepEqual(evaluation.trust, { verdict: 'verified', reasons: [] }, JSON.stringify(evaluation.checks));
    const names = evaluation.checks.map((check) => check.name);
    t.true(['holds with other ids and another seed', 'learns what it is given', 'no jump'].every((one) => names.includes(one)));
  });

  for (const every of [1, 3]) {
    test(`${name}: a program that knows ${every === 1 ? 'every answer' : 'a third of the answers'} is suspect`, async (t) => {
      const { files, truth } = makeFiles(kind);
      const opened = await openCut(t, files, kind.metric);
      const program = remembering(kind, truth, every);
      await measure(t, opened, kind, program);
      const evaluation = await probe(t, opened, kind, program);
      t.is(evaluation.trust.verdict, 'suspect', JSON.stringify(evaluation.checks));
      t.true(failed(evaluation).includes('learns what it is given'));
    });
  }
}

for (const [title, program, verdict] of [
  ['one that looks at its row only', (_learned, row) => [Number(row['x'])], 'verified'],
  ['one that looks at the other rows too', null, 'suspect'],
] as readonly (readonly [string, Program | null, 'verified' | 'suspect'])[]) {
  test(`where rows come one at a time, ${title} is ${verdict}`, async (t) => {
    const kind = KINDS['two classes'];
    if (kind === undefined) return t.fail();
    const pages = 'Predictions are made through the evaluation API, one row at a time.';
    const opened = await openCut(t, makeFiles(kind).files, kind.metric, openHarness(t), pages);
    // Less the mean of all rows that it is asked for: the same order, but another number for a row alone.
    const run = async (folder: string, folders: RunFolders): Promise<void> => {
      const rows = readCsv(await readFile(join(folders.predict_dir, 'rows.csv'), 'utf8'));
      const mean = rows.reduce((sum, row) => sum + Number(row['x']), 0) / rows.length;
      await runProgram(folder, folders, kind, program ?? ((_learned, row) => [Number(row['x']) - mean]));
    };
    const out = await makeFolder(t);
    for (const folders of opened.runs) {
      await run(join(out, folders.run_id), folders);
      await opened.harness.gradeFold({ solution: 1, run_id: folders.run_id, out_dir: join(out, folders.run_id) });
    }
    await opened.harness.finishSolution({ solution: 1 });
    const { probes } = await opened.harness.cutProbes({ generated: false });
    const outcomes = [];
    for (const { kind: name, run: folders } of probes) {
      await run(join(out, name), folders);
      outcomes.push({ kind: name, out_dir: join(out, name), failure: null, is_fault: false });
    }
    const evaluation = await opened.harness.judgeProbes({ solution: 1, generated: false, outcomes });
    t.is(evaluation.trust.verdict, verdict, JSON.stringify(evaluation.checks));
    t.is(failed(evaluation).includes('a row alone like among others'), verdict === 'suspect');
  });
}

for (const remembers of [false, true]) {
  test(`lists: a program that ${remembers ? 'knows a third of the answers' : 'learns'} is ${remembers ? 'suspect' : 'verified'}`, async (t) => {
    const shape = listsShape('map_of_lists');
    const truth = new Map(readCsv(shape.files['train.csv'] ?? '').map((row) => [row['u'] ?? '', row['tags'] ?? '']));
    const opened = await openCut(t, shape.files, shape.metric);
    const near = (learned: readonly Row[], u: number) =>
      learned.toSorted((left, right) => Math.abs(Number(left['u']) - u) - Math.abs(Number(right['u']) - u))[0]?.['tags'] ?? '';
    const run = async (folder: string, folders: RunFolders): Promise<void> => {
      await mkdir(folder, { recursive: true });
      const learned = readCsv(await readFile(join(folders.train_dir, 'train.csv'), 'utf8'));
      const rows = readCsv(await readFile(join(folders.predict_dir, 'rows.csv'), 'utf8'));
      const known = (row: Row) => (remembers && Number(row['key']) % 3 === 0 ? truth.get(Number(row['u']).toFixed(4)) : undefined);
      const lines = rows.map((row) => `${row['key']},${known(row) ?? near(learned, Number(row['u']))}`);
      await writeFile(join(folder, 'scores.csv'), `key,tags\n${lines.join('\n')}\n`);
    };
    const out = await makeFolder(t);
    for (const folders of opened.runs) {
      await run(join(out, folders.run_id), folders);
      t.is((await opened.harness.gradeFold({ solution: 1, run_id: folders.run_id, out_dir: join(out, folders.run_id) })).failure, null);
    }
    await opened.harness.finishSolution({ solution: 1 });
    const outcomes = [];
    for (const { kind: name, run: folders } of (await opened.harness.cutProbes({ generated: true })).probes) {
      await run(join(out, name), folders);
      outcomes.push({ kind: name, out_dir: join(out, name), failure: null, is_fault: false });
    }
    const evaluation = await opened.harness.judgeProbes({ solution: 1, generated: true, outcomes });
    t.is(evaluation.trust.verdict, remembers ? 'suspect' : 'verified', JSON.stringify(evaluation.checks));
    t.is(failed(evaluation).includes('learns what it is given'), remembers);
  });
}

test('opposite labels are the same labels in other places, and only they differ from the fold', async (t) => {
  const kind = KINDS['numbers'];
  if (kind === undefined) return t.fail();
  const { harness, runs } = await openCut(t, makeFiles(kind).files, kind.metric);
  const { probes } = await harness.cutProbes({ generated: true });
  const read = async (run: RunFolders | undefined) => readCsv(await readFile(join(run?.train_dir ?? '', 'train.csv'), 'utf8'));
  const byId = (rows: readonly Row[]) => new Map(rows.map((row) => [row['id'] ?? '', Number(row['target'])]));
  const [fold, mirrored] = [byId(await read(runs[0])), byId(await read(probes.find((one) => one.kind === 'mirrored')?.run))];
  const sorted = (labels: ReadonlyMap<string, number>) => [...labels.values()].toSorted((left, right) => left - right);
  t.deepEqual(sorted(mirrored), sorted(fold));
  t.deepEqual([...mirrored.keys()].toSorted(), [...fold.keys()].toSorted());
  const lowest = [...fold].reduce((least, entry) => (entry[1] < least[1] ? entry : least));
  t.is(mirrored.get(lowest[0]), Math.max(...fold.values()));
});

test('many rows are cut to a part, beside a control with nothing changed', async (t) => {
  const kind = KINDS['two classes'];
  if (kind === undefined) return t.fail();
  const opened = await openCut(t, makeFiles(kind, 12_000, 300).files, kind.metric);
  const { probes } = await opened.harness.cutProbes({ generated: true });
  t.deepEqual(
    probes.map((one) => [one.kind, one.run.train_rows, one.run.predict_rows]),
    ['control', 'fresh', 'mirrored'].map((name) => [name, 5_000, 4_000 + 300]),
  );
  const byX: Program = (learned, row) => [Number(row['x']) * (follows(learned) ? 1 : -1)];
  await measure(t, opened, kind, byX);
  const evaluation = await probe(t, opened, kind, byX);
  t.is(evaluation.trust.verdict, 'verified', JSON.stringify(evaluation.checks));
});

/** Whether high labels go with high x. */
function follows(learned: readonly Row[]): boolean {
  return learned.reduce((sum, row) => sum + (Number(row['target']) - 0.5) * Number(row['x']), 0) > 0;
}

for (const [isFault, verdict] of [
  [true, 'suspect'],
  [false, 'unverified'],
] as const) {
  test(`a probe that fails ${isFault ? 'by the program' : 'by a limit'} leaves the solution ${verdict}`, async (t) => {
    const kind = KINDS['two classes'];
    if (kind === undefined) return t.fail();
    const opened = await openCut(t, makeFiles(kind).files, kind.metric);
    await measure(t, opened, kind, honest(kind));
    const outcome = { kind: 'mirrored' as const, out_dir: null, failure: 'the program failed', is_fault: isFault };
    const { trust } = await opened.harness.judgeProbes({ solution: 1, generated: true, outcomes: [outcome] });
    t.deepEqual(trust, { verdict, reasons: ['the program failed when it was run once more: the program failed'] });
  });
}

test('a score that leaves far less room than any other is a jump', async (t) => {
  const kind = KINDS['two classes'];
  if (kind === undefined) return t.fail();
  const { files, truth } = makeFiles(kind);
  const opened = await openCut(t, files, kind.metric);
  await measure(t, opened, kind, honest(kind));
  await measure(t, opened, kind, (_learned, row) => [Number(truth.get(row['id'] ?? '') ?? 0) + 0.3 * Math.sin(Number(row['id']))], 2);
  const { checks, trust } = await opened.harness.judgeProbes({ solution: 2, generated: true, outcomes: [] });
  t.like(
    checks.find(({ name }) => name === 'no jump'),
    { ok: false, weight: 'unverified' },
  );
  t.is(trust.verdict, 'unverified');
});

test('a program is refused for what it carries, and an honest one is not', async (t) => {
  const kind = KINDS['two classes'];
  if (kind === undefined) return t.fail();
  const { files, truth } = makeFiles(kind);
  const { harness } = await openCut(t, files, kind.metric);
  const folder = await makeFolder(t);
  const check = async (text: string | Uint8Array): Promise<string | null> => {
    await writeFile(join(folder, 'program.py'), text);
    return (await harness.checkProgram({ path: join(folder, 'program.py') })).reason;
  };
  const ids = [...truth.keys()].slice(0, 6);
  const xs = readCsv(files['train.csv'] ?? '').map((row) => row['x'] ?? '');
  t.is(await check('import numpy as np\nprint({"depth": 6, "rate": 0.05, "leaves": [31, 63]})\n'), null);
  t.is(await check(`print(${ids.slice(0, 5).join(', ')})`), null);
  t.regex((await check(`print(${ids.join(', ')})`)) ?? '', /names 6 ids/);
  t.regex((await check(`text = """${ids.join(' ')}"""`)) ?? '', /names 6 ids/);
  t.regex(
    (await check(
      xs
        .slice(0, 40)
        .map((x) => `seen(${x.replace('-', '')})`)
        .join('\n'),
    )) ?? '',
    /ids or rare values/,
  );
  t.regex((await check(`text = ("${'a'.repeat(1_000)}"\n  "${'b'.repeat(1_100)}")`)) ?? '', /a literal of 2104 characters/);
  t.regex((await check(`numbers = [${'1, '.repeat(2_001)}]`)) ?? '', /a literal of 2001 characters/);
  t.regex(
    (await check(Array.from({ length: 20 }, (_, n) => `text_${n} = "${'ab'.repeat(450)}"`).join('\n'))) ?? '',
    /18040 characters together/,
  );
  t.regex((await check(new Uint8Array([0xff, 0xfe, 0]))) ?? '', /no Python text/);
  t.regex((await check('#'.repeat(300_000))) ?? '', /the limit is 262144/);
});
