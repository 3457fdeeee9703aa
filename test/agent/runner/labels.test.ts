import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import { createFolderKaggle } from '#agent/task/folder-kaggle.ts';
import { createRunnerSandbox } from '#agent/sandbox/runner-sandbox.ts';
import { loadRecipes } from '#agent/search/recipes.ts';
import { makeAgentParams, makeSpec } from '../../_support/agent-parts.ts';
import { makePlace, startRunner } from './_runner.ts';
import { makeStore, readResultFile, readValidManifest } from '../../_support/agent-store.ts';
import { PYTHON } from '../../_support/python.ts';
import { runAgent } from '#agent/run.ts';
import { startHarness } from '#agent/evaluate/harness-client.ts';

const LABELS = Array.from({ length: 240 }, (_, row) => (Math.sin(row * 12.9898 + 1) * 43_758.5453).toFixed(4));
const TEST_ROWS = 60;

async function writeCompetition(dir: string): Promise<string> {
  const folder = join(dir, 'toy-prices');
  await mkdir(folder, { recursive: true });
  const cells = (row: number): string => `${row},${(row * 7) % 31},${Math.floor(Number(LABELS[row % 240]) / 5_000)}`;
  await writeFile(join(folder, 'train.csv'), `Id,a,b,price\n${LABELS.map((label, row) => `${cells(row)},${label}`).join('\n')}\n`);
  const tests = Array.from({ length: TEST_ROWS }, (_, index) => index + 1_000);
  await writeFile(join(folder, 'test.csv'), `Id,a,b\n${tests.map(cells).join('\n')}\n`);
  await writeFile(join(folder, 'sample_submission.csv'), `Id,price\n${tests.map((row) => `${row},0`).join('\n')}\n`);
  await writeFile(join(folder, 'evaluation.md'), '# Evaluation\nSubmissions are evaluated on the **mean absolute error**.\n');
  return folder;
}

async function readAll(dir: string): Promise<Buffer[]> {
  const files = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name))));
}

/** The labels that these files hold, as text in a cell or as a number of eight bytes. */
function findLabels(files: readonly Buffer[]): Set<string> {
  const cells = new Set(files.flatMap((file) => file.toString('latin1').split(/[\s,]/)));
  return new Set(
    LABELS.filter((label) => {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(Number(label));
      return cells.has(label) || cells.has(String(Number(label))) || files.some((file) => file.includes(bytes));
    }),
  );
}

test('through the runner a competition is solved, and its volume never holds a label of the rows that a run is to answer', async (t) => {
  t.timeout(500_000);
  const place = await makePlace(t);
  const { store } = await makeStore(t);
  startRunner(t, place);
  const real = await createRunnerSandbox({ socketPath: place.socketPath });
  const seen: { own: number; there: number; foreign: string[]; answers: number }[] = [];
  const sandbox: Sandbox = {
    ...real,
    async run(order) {
      const own = findLabels([await readFile(join(order.trainDir, 'train.csv'))]);
      const there = findLabels(await readAll(place.runsDir));
      const answers = (await readFile(join(order.predictDir, 'rows.csv'), 'utf8')).trimEnd().split('\n').length - 1;
      seen.push({ own: own.size, there: there.size, foreign: [...there].filter((label) => !own.has(label)), answers });
      return real.run(order);
    },
  };
  const recipes = (await loadRecipes()).filter((recipe) => ['linear', 'extra-trees', 'extra_trees'].includes(recipe.name)).slice(0, 2);
  t.true(recipes.length > 0);
  const spec = makeSpec({ slug: 'toy-prices', resources: { cpuMillis: 2000, memoryMib: 2048 }, remainingS: 400 });
  const params = await makeAgentParams(place.dir, store, {
    spec,
    kaggle: createFolderKaggle(await writeCompetition(place.dir)),
    startHarness: ({ threads, onLog }) => startHarness({ python: PYTHON, threads, onLog }),
    sandbox,
    recipes,
    runsDir: join(place.runsDir, `${spec.jobId}-a1`),
    foldsAtOnce: 1,
  });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, spec.jobId, 1);
  t.is(manifest.quality, 'model', manifest.notes.join('\n'));
  t.true(seen.length >= 3, `${seen.length} runs`);
  const evidence = JSON.parse(await readResultFile(store, spec, 'evidence.json')) as {
    sandbox: string;
    solutions: { kind: string; state: string }[];
  };
  const graded = evidence.solutions.filter(({ kind, state }) => kind === 'recipe' && state === 'valid').length;
  t.true(graded >= recipes.length);
  t.is(seen.filter(({ answers }) => answers === TEST_ROWS).length, graded, 'one refit of each recipe and setting');
  for (const { own, there, foreign, answers } of seen) {
    // A refit answers test rows alone, so that it may know every label; a fold answers rows of its own besides, and lacks theirs.
    t.is(own, answers === TEST_ROWS ? LABELS.length : LABELS.length - (answers - TEST_ROWS), `${answers} rows to answer`);
    t.true(there >= own, 'the search finds what is there');
    t.deepEqual(foreign, []);
  }
  t.deepEqual(await readdir(place.runsDir), [], 'nothing stays');
  t.is(evidence.sandbox, 'isolated');
});
