import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import type { RunFolders } from '#agent/evaluate/harness-protocol.ts';
import { PYTHON } from '../../_support/python.ts';
import { makeCsv, makeFolder, makeRandom, metricOf, openHarness, readCsv, writeFiles } from './_harness.ts';
import { fingerprints, openShape, readRows, readTable, StoredFolds } from './_shapes.ts';
import type { Shape } from './_shapes.ts';

const runFile = promisify(execFile);
const RECIPE = fileURLToPath(new URL('../../../agent/python/recipes/item_neighbours.py', import.meta.url));
const USERS = 120;
const ITEMS = 40;

interface Interaction {
  readonly user: number;
  readonly item: number;
  readonly moment: number;
}

/** Users of two tastes; a few had one interaction only. Tables beside: of users, of items (one column counts), of clicks on items. */
function makeInteractions(): { interactions: Interaction[]; shape: Shape } {
  const random = makeRandom(41);
  const interactions: Interaction[] = [];
  for (let user = 0; user < USERS; user += 1) {
    const taste = user % 2;
    const had = new Set<number>();
    while (had.size < (user % 20 === 0 ? 1 : 8 + (user % 5))) {
      const item = random() < 0.9 ? 2 * Math.floor((random() * ITEMS) / 2) + taste : Math.floor(random() * ITEMS);
      if (had.has(item)) continue;
      had.add(item);
      interactions.push({ user, item, moment: 1_600_000_000 + Math.floor(random() * 1e3) * 10_000 + interactions.length });
    }
  }
  return { interactions, shape: makeShape(interactions, (user) => (user % 3 === 0 ? `i${user % ITEMS}` : 'i1 i2 i3')) };
}

function makeShape(interactions: readonly Interaction[], sample: (user: number) => string): Shape {
  const count = (item: number) => interactions.filter((one) => one.item === item).length;
  return {
    shape: 'recommender',
    metric: 'map_of_lists',
    targets: ['recommended'],
    relabel: (label) => label,
    files: {
      'train.csv': makeCsv(['customer', 'item', 'ts'], interactions.length, (i) => {
        const { user, item, moment } = interactions[i] ?? { user: 0, item: 0, moment: 0 };
        return [`c${user}`, `i${item}`, moment];
      }),
      'sample_submission.csv': makeCsv(['customer', 'recommended'], USERS, (i) => [`c${i}`, sample(i)]),
      'customers.csv': makeCsv(['customer', 'age'], USERS, (i) => [`c${i}`, 20 + (i % 50)]),
      'items.csv': makeCsv(['item', 'colour', 'sold'], ITEMS, (i) => [`i${i}`, ['red', 'blue'][i % 2] ?? '', count(i)]),
      'clicks.csv': makeCsv(['customer', 'item'], interactions.length, (i) => [
        `c${interactions[i]?.user ?? 0}`,
        `i${interactions[i]?.item ?? 0}`,
      ]),
    },
  };
}

const HELD = 2;

/** The last interactions of each user that has more. */
function heldOut(interactions: readonly Interaction[]): Interaction[] {
  const byUser = Map.groupBy(interactions, ({ user }) => user);
  return [...byUser.values()].flatMap((own) => (own.length > HELD ? own.toSorted((a, b) => a.moment - b.moment).slice(-HELD) : []));
}

test('a recommender: users are rows, their last interactions are held out of every table', async (t) => {
  const { interactions, shape } = makeInteractions();
  const { profile, cut } = await openShape(t, shape);
  t.deepEqual(profile.recommender, { user_column: 'customer', item_column: 'item', time_column: 'ts', held_out: HELD, how: 'last' });
  t.regex(profile.shape_reason, /lists values of "item" for each "customer": 2 interactions of each are held out, the last, by "ts"/);
  t.deepEqual(profile.tables.find(({ name }) => name === 'items')?.withheld_columns, ['sold']);
  const held = heldOut(interactions);
  const isHeld = new Set(held);
  const answered = new Set<string>();
  for (const run of cut.runs) {
    const sides = [
      { dir: run.train_dir, rows: await readRows(run.train_dir, 'train.csv') },
      { dir: run.predict_dir, rows: await readRows(run.predict_dir, 'rows.csv') },
    ];
    const [learned = [], asked = []] = await Promise.all(sides.map(({ dir }) => readTable(dir, 'train')));
    const ids = (rows: readonly Record<string, string>[]) => new Set(rows.map((row) => row['customer']));
    const [train, rows] = [sides[0]?.rows ?? [], sides[1]?.rows ?? []];
    t.deepEqual([...ids(asked)].toSorted(), [...ids(rows)].toSorted());
    t.true([...ids(train)].every((id) => ids(learned).has(id)));
    t.is(ids(learned).size - ids(train).size, 6, 'users of one interaction belong to no row: they are there to learn from');
    // by time stamps, which tell interactions apart: nothing that is held out of a user who is asked for
    const moments = new Set([...asked, ...learned].map((row) => Number(row['ts'])));
    t.true(held.every(({ moment }) => !moments.has(moment)));
    t.is(asked.length + learned.length, interactions.length - held.length);
    const clicks = (await Promise.all(sides.map(({ dir }) => readTable(dir, 'clicks')))).flat();
    t.is(clicks.length, interactions.length - held.length, 'held-out pairs leave other tables too');
    t.deepEqual(Object.keys((await readTable(run.train_dir, 'items'))[0] ?? {}).toSorted(), ['colour', 'item']);
    for (const row of train) {
      const own = learned.filter((one) => one['customer'] === row['customer']).map((one) => Number(one['ts']));
      const real = interactions.filter((one) => own.includes(one.moment));
      const user = real[0]?.user;
      const label = interactions.filter((one) => one.user === user && isHeld.has(one)).toSorted((a, b) => a.moment - b.moment);
      t.is(row['recommended'], label.map(({ item }) => `i${item}`).join(' '));
    }
    for (const one of asked) answered.add(one['ts'] ?? '');
  }
  const final = cut.final_run;
  if (final === null) return t.fail();
  t.is(final.predict_rows, USERS);
  const whole = await readTable(final.predict_dir, 'train');
  t.is(whole.length, interactions.length, 'in the end everything that was had is known');
});

test('a recommender: other held-out items of the users of a fold change no byte that the fold can see', async (t) => {
  const { interactions, shape } = makeInteractions();
  const first = await openShape(t, shape, 3);
  const stored = await readFile(join(first.workDir, 'harness', 'folds.json'), 'utf8');
  const { vector } = StoredFolds.parse(JSON.parse(stored));
  const isHeld = new Set(heldOut(interactions));
  const users = [...new Set(interactions.map(({ user }) => user))].filter(
    (user) => interactions.filter((one) => one.user === user).length > HELD,
  );
  const open = async (fold: number) => {
    const changed = interactions.map((one) =>
      isHeld.has(one) && vector[users.indexOf(one.user)] === fold ? { ...one, item: (one.item + 7) % ITEMS } : one,
    );
    const files = { ...shape.files, 'train.csv': makeShape(changed, () => '').files['train.csv'] ?? '' };
    const workDir = await makeFolder(t);
    await mkdir(join(workDir, 'harness'));
    await writeFile(join(workDir, 'harness', 'folds.json'), stored);
    const harness = openHarness(t);
    const dataDir = await writeFiles(t, { ...files, 'clicks.csv': '' });
    await harness.fixTask({ data_dir: dataDir, work_dir: workDir, profile: withoutClicks, metric: metricOf(shape.metric), seed: 7 });
    return harness.cut({ fold_count: 3 });
  };
  // The clicks hold the pairs once more, which a change of the first table alone would leave in.
  const plain = await openShape(t, { ...shape, files: { ...shape.files, 'clicks.csv': '' } }, 3);
  const withoutClicks = plain.profile;
  for (const run of plain.cut.runs) {
    const again = await open(run.fold ?? -1);
    const twin = (fold: number | null) => again.runs.find((one) => one.fold === fold);
    const other = plain.cut.runs.find((one) => one.fold !== run.fold);
    t.deepEqual(await fingerprints(twin(run.fold) ?? run), await fingerprints(run));
    t.not(twin(run.fold)?.train_dir, run.train_dir);
    if (other !== undefined) t.notDeepEqual((await fingerprints(twin(other.fold) ?? other))[0], (await fingerprints(other))[0]);
  }
});

test('a recommender: who asks for another shape gets no users as rows', async (t) => {
  const { shape } = makeInteractions();
  const nothing = { group_column: null, time_column: null, one_row_at_a_time: null, allow_data_leaks: false };
  const ask = { data_dir: await writeFiles(t, shape.files), description: '', slug: 'test', metric: metricOf(shape.metric) };
  const harness = openHarness(t);
  t.is((await harness.profile({ ...ask, wanted: { ...nothing, shape: null } })).shape, 'recommender');
  await t.throwsAsync(harness.profile({ ...ask, wanted: { ...nothing, shape: 'rows' } }), { message: /target/i });
});

test('a number to predict for each customer of a table of purchases is no list of items', async (t) => {
  const { shape } = makeInteractions();
  const sample = makeCsv(['customer', 'recommended'], USERS, (i) => [`c${i}`, i % 3]);
  const train = (shape.files['train.csv'] ?? '').replace('customer,item,ts', 'customer,count,ts').replaceAll(',i', ',');
  const harness = openHarness(t);
  const dataDir = await writeFiles(t, { 'train.csv': train, 'sample_submission.csv': sample });
  await t.throwsAsync(harness.profile({ data_dir: dataDir, description: '', slug: 'test', metric: null }), {
    message: /target/i,
  });
});

async function runRecipe(run: RunFolders, out: string): Promise<void> {
  const folders = ['--train', run.train_dir, '--predict', run.predict_dir, '--out', out];
  await runFile(PYTHON, ['-I', '-B', RECIPE, ...folders, '--seed', '3', '--threads', '1', '--deadline', '60'], { env: {} });
}

test('a recommender: items of users alike are better than the most frequent ones, and the file is valid', async (t) => {
  const { shape } = makeInteractions();
  const { harness, cut, workDir } = await openShape(t, shape);
  const { evaluation: baseline } = await harness.baseline({});
  for (const run of [...cut.runs, cut.final_run].filter((one) => one !== null)) {
    const out = join(workDir, `out-${run.run_id}`);
    await runRecipe(run, out);
    if (run.fold === null) t.is((await harness.takeFinal({ solution: 1, out_dir: out })).failure, null);
    else t.is((await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out })).failure, null);
  }
  const { score } = await harness.finishSolution({ solution: 1 });
  t.true(score > baseline.score + 0.03, `${score} against ${baseline.score}`);
  const file = join(workDir, 'submission.csv');
  t.true((await harness.writeSubmission({ solution: 1, path: file })).valid);
  const lists = readCsv(await readFile(file, 'utf8'));
  t.is(lists.length, USERS);
  t.true(lists.every((row) => (row['recommended'] ?? '').split(' ').length === 3));
});
