import { createHash } from 'node:crypto';
import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';
import { Reproducible } from '#agent/report/reproduction.ts';
import { PYTHON } from '../_support/python.ts';
import { makeTempDir } from '../_support/kaggle-stand-in.ts';
import { startCli } from './_run-cli.ts';

/** Two hundred rows whose target is a sum and noise; a small generator, so that they never change. */
function makeRows(count: number, firstId: number, withTarget: boolean): string {
  let state = firstId;
  const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const rows = Array.from({ length: count }, (_, index) => {
    const [a, b] = [random(), random()];
    return [firstId + index, a.toFixed(4), b.toFixed(4), ...(withTarget ? [(3 * a + b + random()).toFixed(4)] : [])].join(',');
  });
  return `${['Id', 'a', 'b', ...(withTarget ? ['price'] : [])].join(',')}\n${rows.join('\n')}\n`;
}

/** Runs the cells of a notebook in a copy of the data, as Jupyter would, and reads what it wrote. */
async function runNotebook(notebook: string, data: string): Promise<Map<string, number>> {
  const place = `${data}-notebook`;
  await cp(data, place, { recursive: true });
  const program = [
    'import json, sys',
    'names = {}',
    'for cell in json.load(open(sys.argv[1]))["cells"]:',
    '    text = "".join(cell["source"])',
    '    if cell["cell_type"] != "code": continue',
    '    if text.startswith("%%writefile "):',
    '        name, body = text[len("%%writefile "):].split("\\n", 1)',
    '        open(name, "w").write(body)',
    '    else: exec(compile(text, "cell", "exec"), names)',
  ].join('\n');
  await promisify(execFile)(PYTHON, ['-c', program, notebook], { cwd: place, timeout: 200_000 });
  return readPrices(await readFile(join(place, 'notebook-sample_submission.csv'), 'utf8'));
}

function readPrices(csv: string): Map<string, number> {
  const rows = csv.trim().split('\n').slice(1);
  return new Map(rows.map((row) => row.split(',')).map(([id = '', price]) => [id, Number(price)]));
}

test('the best solution runs once more, to the same bytes; another program, other data or no evidence are refused in words', async (t) => {
  t.timeout(900_000);
  const dir = await makeTempDir(t);
  const [data, out] = [join(dir, 'toy'), join(dir, 'out')];
  await mkdir(data);
  await writeFile(join(data, 'train.csv'), makeRows(200, 1, true));
  await writeFile(join(data, 'test.csv'), makeRows(50, 1001, false));
  await writeFile(join(data, 'sample_submission.csv'), `Id,price\n${Array.from({ length: 50 }, (_, i) => `${1001 + i},0`).join('\n')}\n`);
  await writeFile(join(data, 'evaluation.md'), 'Submissions are evaluated on the **mean absolute error**.\n');
  const solved = await startCli(t, ['solve', data, '--time-limit', '300', '--no-llm', '--out', out]).ended;
  t.is(solved.code, 0, solved.stderr);
  const evidence = Reproducible.parse(JSON.parse(await readFile(join(out, 'evidence.json'), 'utf8')));
  t.is(evidence.job.competition.startsWith('toy-'), true);
  const programs = evidence.reproduction?.programs ?? [];
  t.true(programs.length >= 1);

  const again = await startCli(t, ['reproduce', out, '--data', data, '-o', 'json']).ended;
  t.is(again.code, 0, again.stderr);
  const compared = JSON.parse(again.stdout) as Record<string, unknown>;
  t.like(compared, { nearness: 'identical', metric: 'mae', differences: [] });
  t.is(
    (compared['first'] as { sha256: string }).sha256,
    createHash('sha256')
      .update(await readFile(join(out, 'submission.csv')))
      .digest('hex'),
  );

  const answered = await runNotebook(join(out, 'notebook.ipynb'), data);
  const handedIn = readPrices(await readFile(join(out, 'submission.csv'), 'utf8'));
  t.deepEqual([...answered.keys()], [...handedIn.keys()]);
  const apart = [...handedIn].map(([id, price]) => Math.abs(price - (answered.get(id) ?? Infinity)));
  t.true(Math.max(...apart) < 0.5, `the notebook answers up to ${Math.max(...apart)} otherwise`);

  const [recut, changed, moved] = [join(dir, 'recut'), join(dir, 'changed'), join(dir, 'moved')];
  await cp(out, recut, { recursive: true });
  await writeFile(join(recut, 'evidence.json'), JSON.stringify({ ...evidence, folds: { ...evidence.folds, count: 3 } }));
  const otherwise = await startCli(t, ['reproduce', recut, '--data', data]).ended;
  t.is(otherwise.code, 1, otherwise.stderr);
  t.regex(otherwise.stdout, /the folds are not the same/, 'as many folds as the evidence says, not what the limit or the rows would have');

  await cp(out, changed, { recursive: true });
  await appendFile(join(changed, programs[0]?.file ?? ''), '\n# one more line\n');
  const refused = await startCli(t, ['reproduce', changed, '--data', data]).ended;
  t.is(refused.code, 1);
  t.regex(refused.stderr, /is not the program that was scored/);

  await cp(data, moved, { recursive: true });
  await writeFile(join(moved, 'train.csv'), makeRows(201, 1, true));
  const elsewhere = await startCli(t, ['reproduce', out, '--data', moved]).ended;
  t.is(elsewhere.code, 3);
  t.regex(elsewhere.stderr, /files are not those of the job: train\.csv is another one/);

  const nothing = await startCli(t, ['reproduce', data]).ended;
  t.is(nothing.code, 2);
  t.regex(nothing.stderr, /evidence\.json cannot be read/);
});
