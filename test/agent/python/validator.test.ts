import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { fixTask, makeCsv, makeFolder, makeRandom, openHarness, writeFiles } from './_harness.ts';

const ROWS = 120;
const TESTS = 40;

/** A competition with ids 1000 … 1039 in the test, a target made by `label`, and a sample with these columns and cells. */
function makeCompetition(label: (x: number) => string | number, columns: readonly string[], cells: readonly (string | number)[]) {
  const random = makeRandom(3);
  const xs = Array.from({ length: ROWS + TESTS }, () => random());
  return {
    'train.csv': makeCsv(['id', 'x', 'y', 'target'], ROWS, (i) => [i, (xs[i] ?? 0).toFixed(4), i % 5, label(xs[i] ?? 0)]),
    'test.csv': makeCsv(['id', 'x', 'y'], TESTS, (i) => [1000 + i, (xs[ROWS + i] ?? 0).toFixed(4), i % 5]),
    'sample_submission.csv': makeCsv(['id', ...columns], TESTS, (i) => [1000 + i, ...cells]),
  };
}

const FORMS = {
  probability: {
    metric: 'logloss',
    files: makeCompetition((x) => (x > 0.5 ? 1 : 0), ['target'], [0.5]),
    good: (i: number) => [i % 2 ? 0.9 : 0.2],
  },
  label: {
    metric: 'accuracy',
    files: makeCompetition((x) => (x > 0.5 ? 'yes' : 'no'), ['target'], ['no']),
    good: (i: number) => [i % 2 ? 'yes' : 'no'],
  },
  classes: {
    metric: 'logloss',
    files: makeCompetition((x) => ['a', 'b', 'c'][Math.floor(3 * x)] ?? 'c', ['a', 'b', 'c'], [0.3, 0.3, 0.4]),
    good: (i: number) => (i % 2 ? [0.1, 0.2, 0.7] : [0.5, 0.25, 0.25]),
  },
  number: { metric: 'rmsle', files: makeCompetition((x) => (10 * x).toFixed(3), ['target'], [1]), good: (i: number) => [4 + (i % 4)] },
  ranking: {
    metric: 'map_of_classes',
    files: makeCompetition((x) => ['a', 'b', 'c', 'd'][Math.floor(4 * x)] ?? 'd', ['target'], ['a b c']),
    good: (i: number) => [i % 2 ? 'a b c' : 'd b'],
  },
} as const satisfies Record<
  string,
  { metric: MetricId; files: Record<string, string>; good: (row: number) => readonly (string | number)[] }
>;
type Form = keyof typeof FORMS;

const HEADER = { probability: 'id,target', label: 'id,target', classes: 'id,a,b,c', number: 'id,target', ranking: 'id,target' } as const;

/** The rows of a file that keeps every rule. */
function goodLines(form: Form): string[] {
  return [HEADER[form], ...Array.from({ length: TESTS }, (_, i) => [1000 + i, ...FORMS[form].good(i)].join(','))];
}

const edit = (row: number, cells: string) => (lines: string[]) => lines.map((line, i) => (i === row ? cells : line));
const every = (cells: (id: string, row: number) => string) => (lines: string[]) =>
  lines.map((line, i) => (i === 0 ? line : `${line.split(',')[0]},${cells(line.split(',')[0] ?? '', i)}`));

interface Rule {
  readonly form: Form;
  readonly title: string;
  /** A good file's lines, spoilt. */
  readonly spoil: (lines: string[]) => string[] | Uint8Array;
  /** Name of the check that must fail, and it alone of its kind. */
  readonly check: string;
  readonly detail: RegExp;
}

const RULES: readonly Rule[] = [
  {
    form: 'probability',
    title: 'another header',
    spoil: edit(0, 'id,prediction'),
    check: 'header',
    detail: /expected id,target; got id,prediction/,
  },
  {
    form: 'probability',
    title: 'another separator',
    spoil: (lines) => lines.map((line) => line.replaceAll(',', ';')),
    check: 'header',
    detail: /got id;target/,
  },
  {
    form: 'probability',
    title: 'a column too many',
    spoil: (lines) => lines.map((line, i) => `${line},${i ? 1 : 'more'}`),
    check: 'header',
    detail: /got id,target,more/,
  },
  { form: 'probability', title: 'a row less', spoil: (lines) => lines.slice(0, -1), check: 'row count', detail: /39 rows, 40 expected/ },
  {
    form: 'probability',
    title: 'a row more',
    spoil: (lines) => [...lines, '1040,0.5'],
    check: 'row count',
    detail: /41 rows, 40 expected/,
  },
  {
    form: 'probability',
    title: 'a foreign id',
    spoil: edit(40, 'zzz,0.5'),
    check: 'ids',
    detail: /1 ids missing, 1 unknown; for example "1039"/,
  },
  { form: 'probability', title: 'an id twice', spoil: edit(40, '1000,0.5'), check: 'ids', detail: /1 ids missing/ },
  {
    form: 'probability',
    title: 'another order',
    spoil: (lines) => [lines[0] ?? '', ...lines.slice(1).toReversed()],
    check: 'id order',
    detail: /differs from the sample at row 1/,
  },
  { form: 'probability', title: 'a hole', spoil: edit(3, '1002,'), check: 'numbers of target', detail: /row 3 has/ },
  { form: 'probability', title: 'NaN', spoil: edit(3, '1002,NaN'), check: 'numbers of target', detail: /row 3 has/ },
  { form: 'probability', title: 'infinity', spoil: edit(3, '1002,inf'), check: 'numbers of target', detail: /row 3 has/ },
  { form: 'probability', title: 'a formula', spoil: edit(3, '1002,=1+1'), check: 'numbers of target', detail: /has "=1\+1"/ },
  {
    form: 'probability',
    title: 'a probability of 2',
    spoil: edit(3, '1002,2'),
    check: 'range of target',
    detail: /probabilities lie in 0 to 1/,
  },
  { form: 'probability', title: 'a probability below 0', spoil: edit(3, '1002,-0.1'), check: 'range of target', detail: /from -0\.1/ },
  {
    form: 'label',
    title: 'a class that is none',
    spoil: edit(3, '1002,maybe'),
    check: 'classes of target',
    detail: /row 3 has "maybe", which is no class/,
  },
  { form: 'label', title: 'a class with other letters', spoil: edit(3, '1002,Yes'), check: 'classes of target', detail: /"Yes"/ },
  {
    form: 'classes',
    title: 'rows that do not sum to 1',
    spoil: edit(3, '1002,0.5,0.5,0.5'),
    check: 'rows sum to 1',
    detail: /1 rows do not, the first is row 3/,
  },
  { form: 'classes', title: 'a column of words', spoil: edit(3, '1002,0.5,much,0.5'), check: 'numbers of b', detail: /has "much"/ },
  {
    form: 'number',
    title: 'a number that the metric has no logarithm of',
    spoil: edit(3, '1002,-3'),
    check: 'range of target',
    detail: /needs 0 or more/,
  },
  {
    form: 'ranking',
    title: 'a list with a class that is none',
    spoil: edit(3, '1002,a z'),
    check: 'classes listed in target',
    detail: /row 3 lists "z", which is no class/,
  },
  {
    form: 'ranking',
    title: 'a list that is too long',
    spoil: edit(3, '1002,a b c d'),
    check: 'classes listed in target',
    detail: /at most 3/,
  },
  {
    form: 'ranking',
    title: 'a class listed twice',
    spoil: edit(3, '1002,a a'),
    check: 'classes listed in target',
    detail: /1 different ones/,
  },
  { form: 'ranking', title: 'an empty list', spoil: edit(3, '1002,'), check: 'classes listed in target', detail: /row 3 lists ""/ },
  { form: 'number', title: 'bytes that are no table', spoil: () => new Uint8Array([0, 1, 2, 3, 255]), check: 'readable', detail: /./ },
];

const WARNINGS: readonly Rule[] = [
  {
    form: 'number',
    title: 'one number everywhere',
    spoil: every(() => '5'),
    check: 'warning: not constant',
    detail: /the same prediction/,
  },
  { form: 'label', title: 'the sample itself', spoil: every(() => 'no'), check: 'warning: not the sample', detail: /equal to the sample/ },
  {
    form: 'label',
    title: 'class shares far from the training’s',
    spoil: every((_, row) => (row === 1 ? 'no' : 'yes')),
    check: 'warning: class shares of target',
    detail: /largest distance/,
  },
  {
    form: 'probability',
    title: 'probabilities that are nearly all high',
    spoil: every((_, row) => (row === 1 ? '0.8' : '0.95')),
    check: 'warning: mean of target',
    detail: /the mean is 0\.9/,
  },
  {
    form: 'number',
    title: 'numbers of another size',
    spoil: every((_, row) => String(5000 + row)),
    check: 'warning: mean of target',
    detail: /the mean is 50/,
  },
];

async function openValidator(t: ExecutionContext, form: Form) {
  const harness = openHarness(t);
  const { metric, files } = FORMS[form];
  await fixTask(t, harness, { dataDir: await writeFiles(t, files), metric });
  const path = join(await makeFolder(t), 'submission.csv');
  return async (body: readonly string[] | Uint8Array) => {
    await writeFile(path, body instanceof Uint8Array ? body : `${body.join('\n')}\n`);
    return harness.validate({ path });
  };
}

for (const form of ['probability', 'label', 'classes', 'number', 'ranking'] as const) {
  test(`a file of the form "${form}" that keeps every rule is valid, and so it is with Windows line ends`, async (t) => {
    const validate = await openValidator(t, form);
    const lines = goodLines(form);
    for (const body of [lines, lines.map((line) => `${line}\r`)]) {
      const reply = await validate(body);
      t.true(reply.valid, JSON.stringify(reply.checks));
      t.deepEqual(
        reply.checks.filter(({ ok }) => !ok),
        [],
      );
      const rules = [...RULES, ...WARNINGS].filter((rule) => rule.form === form && rule.check !== 'readable').map(({ check }) => check);
      for (const check of rules)
        t.true(
          reply.checks.some(({ name }) => name === check),
          `${check} has a passing example`,
        );
    }
  });

  test(`a broken rule makes a file of the form "${form}" invalid, and says where`, async (t) => {
    const validate = await openValidator(t, form);
    for (const { title, spoil, check, detail } of RULES.filter((rule) => rule.form === form)) {
      const reply = await validate(spoil(goodLines(form)));
      t.false(reply.valid, title);
      const failed = reply.checks.filter(({ name, ok }) => !ok && !name.startsWith('warning'));
      t.deepEqual(
        failed.map(({ name }) => name),
        [check],
        title,
      );
      t.regex(failed[0]?.detail ?? '', detail, title);
    }
  });

  test(`what is only strange about a file of the form "${form}" is told and leaves it valid`, async (t) => {
    const validate = await openValidator(t, form);
    for (const { title, spoil, check, detail } of WARNINGS.filter((rule) => rule.form === form)) {
      const reply = await validate(spoil(goodLines(form)));
      t.true(reply.valid, title);
      const found = reply.checks.find(({ name }) => name === check);
      t.false(found?.ok ?? true, `${title}: ${JSON.stringify(reply.checks)}`);
      t.regex(found?.detail ?? '', detail, title);
    }
    t.pass();
  });
}
