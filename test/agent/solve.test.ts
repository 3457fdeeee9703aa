import { execFileSync } from 'node:child_process';
import { gunzipSync, gzipSync } from 'node:zlib';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer as readAll } from 'node:stream/consumers';
import test from 'ava';
import { ZipFile } from 'yazl';
import type { ExecutionContext } from 'ava';
import type { Progress } from '#core/job.ts';
import type { SolveOptions, SolveResult } from '#agent/solve.ts';
import type { ArtifactStore } from '#core/ports.ts';
import { createFolderKaggle, nameFolder } from '#agent/task/folder-kaggle.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { loadRecipes } from '#agent/search/recipes.ts';
import { solveLocally } from '#agent/solve.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { PYTHON } from '../_support/python.ts';
import { makeStore, readEvents, readResultFile, readValidManifest } from '../_support/agent-store.ts';

/** Rows whose target is 3 a − 2 b plus noise; numbers from a small generator of our own, so that the data never change. */
function makeRows(count: number, firstId: number, withTarget: boolean): string {
  let state = firstId + 12_345;
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
  const rows = Array.from({ length: count }, (_, index) => {
    const [a, b] = [random() * 10, random() * 10];
    const colour = ['red', 'green', 'blue'][Math.floor(random() * 3)] ?? 'red';
    const y = 3 * a - 2 * b + (colour === 'red' ? 5 : 0) + random();
    return [firstId + index, a.toFixed(4), b.toFixed(4), colour, ...(withTarget ? [y.toFixed(4)] : [])].join(',');
  });
  return `${['Id', 'a', 'b', 'colour', ...(withTarget ? ['price'] : [])].join(',')}\n${rows.join('\n')}\n`;
}

/** The sample's file, by name. */
type Sample = (csv: string) => Promise<readonly [name: string, bytes: Uint8Array | string]>;

async function writeCompetition(dir: string, packSample: Sample = async (csv) => ['sample_submission.csv', csv]): Promise<string> {
  const folder = join(dir, 'toy-prices');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'train.csv'), makeRows(240, 1, true));
  await writeFile(join(folder, 'test.csv.gz'), gzipSync(makeRows(60, 1001, false)));
  const [name, bytes] = await packSample(`Id,price\n${Array.from({ length: 60 }, (_, index) => `${1001 + index},0`).join('\n')}\n`);
  await writeFile(join(folder, name), bytes);
  await writeFile(join(folder, 'evaluation.md'), '# Evaluation\nSubmissions are evaluated on the **mean absolute error**.\n');
  return folder;
}

/** Two classes that hang on a product; so many rows that programs are stacked. */
async function writeClasses(dir: string): Promise<string> {
  const folder = join(dir, 'toy-classes');
  await mkdir(folder, { recursive: true });
  const label = (line: string, row: number): string => {
    const [id, a, b, colour] = line.split(',');
    const isUp = (Number(a) - 5) * (Number(b) - 5) > 0;
    return [id, a, b, colour, row === 0 ? 'up' : isUp ? 1 : 0].join(',');
  };
  const train = makeRows(2_100, 1, true).trim().split('\n').map(label);
  await writeFile(join(folder, 'train.csv'), `${train.join('\n')}\n`);
  await writeFile(join(folder, 'test.csv'), makeRows(300, 9_001, false));
  const ids = Array.from({ length: 300 }, (_, index) => `${9_001 + index},0.5`);
  await writeFile(join(folder, 'sample_submission.csv'), `Id,up\n${ids.join('\n')}\n`);
  await writeFile(join(folder, 'evaluation.md'), '# Evaluation\nSubmissions are evaluated on the **area under the ROC curve**.\n');
  return folder;
}

/** For a machine that is busy with other tests; they end when everything was tried. */
const BUSY_LIMIT_S = 120;
/** Where files are looked at, not models. */
const QUICKEST = (await loadRecipes()).filter(({ name }) => name === 'linear-fast');

async function solve(
  t: ExecutionContext,
  folder: string,
  change: Partial<Pick<SolveOptions, 'timeLimitS' | 'signal' | 'recipes'>> = {},
): Promise<{ result: SolveResult; store: ArtifactStore; progress: Progress[]; lines: string[] }> {
  const { store } = await makeStore(t);
  const progress: Progress[] = [];
  const lines: string[] = [];
  const result = await solveLocally({
    slug: nameFolder(folder),
    kaggle: createFolderKaggle(folder),
    store,
    clock: systemClock,
    python: PYTHON,
    timeLimitS: 90,
    cpuMillis: 2000,
    memoryMib: 2048,
    submitToKaggle: false,
    task: null,
    signal: new AbortController().signal,
    onLine: (line) => lines.push(line),
    onProgress: (one) => progress.push(one),
    ...change,
  });
  return { result, store, progress, lines };
}

test('a larger folder is stacked for real: the second level learns from the first, and is compared without two folds', async (t) => {
  t.timeout(400_000);
  const { dir } = await makeStore(t);
  // It ends when everything was tried; so much time is for a machine that is busy with other tests.
  const { result, lines } = await solve(t, await writeClasses(dir), { timeLimitS: 360 });
  t.is(result.exitCode, 0, lines.slice(-5).join('\n'));
  t.is(result.manifest?.quality, 'model');
  const notes =
    result.manifest?.notes.filter((note) => /^Solution \d+ \(Stack: .*\): rebuilt without the rows of two folds/.test(note)) ?? [];
  t.true(notes.length >= 1, lines.join('\n'));
});

test('a folder is solved for real: a valid file at once, then models that beat the constant clearly', async (t) => {
  t.timeout(240_000);
  const { dir } = await makeStore(t);
  const { result, store, progress, lines } = await solve(t, await writeCompetition(dir));
  t.is(result.exitCode, 0, lines.slice(-20).join('\n'));
  const manifest = await readValidManifest(store, result.jobId, 1);
  t.is(manifest.metric, 'mae');
  t.is(manifest.quality, 'model', manifest.notes.join('\n'));
  const constant = (await readEvents(store, result.jobId, 1)).flatMap((event) =>
    event.type === 'progressed' && event.solution?.number === 0 && event.solution.score ? [event.solution.score.score] : [],
  )[0];
  t.true((manifest.cv?.score ?? 9) < 0.25 * (constant ?? 0), `${manifest.cv?.score} against ${constant}`);
  t.true((manifest.firstValidSeconds ?? 99) < 60);
  const submission = (await readResultFile(store, { jobId: result.jobId, attempt: 1 }, 'submission.csv')).trimEnd().split('\n');
  t.is(submission[0], 'Id,price');
  t.deepEqual(
    submission.slice(1).map((line) => Number(line.split(',')[0])),
    Array.from({ length: 60 }, (_, index) => 1001 + index),
  );
  verifyJournal(await readSegments(store, result.jobId));
  t.deepEqual([...new Set(progress.map((one) => one.stage))], ['analyze', 'plan', 'execute', 'finalize', 'done']);
});

async function zipOne(name: string, text: string): Promise<Buffer> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from(text), name);
  zip.end();
  return readAll(zip.outputStream);
}

/** The only file of a zip, by a reader that is not ours. */
function unzipOne(bytes: Buffer): string {
  const program =
    'import io, sys, zipfile; z = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())); [n] = z.namelist(); print(z.read(n).decode(), end="")';
  return execFileSync(PYTHON, ['-c', program], { input: bytes, encoding: 'utf8' });
}

const PACKED = [
  { name: 'sample_submission.csv.gz', pack: async (csv: string) => gzipSync(csv), unpack: (bytes: Buffer) => gunzipSync(bytes).toString() },
  { name: 'sample_submission.csv.zip', pack: (csv: string) => zipOne('sample_submission.csv', csv), unpack: unzipOne },
];
for (const { name: wanted, pack, unpack } of PACKED) {
  test(`where the sample is ${wanted}, the file that is handed in is packed like it, and a plain one is there too`, async (t) => {
    t.timeout(240_000);
    const { dir } = await makeStore(t);
    const folder = await writeCompetition(dir, async (csv) => [wanted, await pack(csv)]);
    const { result, store, lines } = await solve(t, folder, { timeLimitS: BUSY_LIMIT_S, recipes: QUICKEST });
    t.is(result.exitCode, 0, lines.slice(-20).join('\n'));
    const manifest = await readValidManifest(store, result.jobId, 1);
    const packed = manifest.files.find(({ name }) => name === wanted);
    if (packed === undefined) return t.fail(manifest.files.map(({ name }) => name).join(', '));
    const bytes = await store.readObject(packed.key, 1_000_000);
    if (bytes === null) return t.fail('it is not stored');
    t.is(unpack(Buffer.from(bytes)), await readResultFile(store, { jobId: result.jobId, attempt: 1 }, 'submission.csv'));
  });
}

test('archives of several files in a folder are opened, and what they hold is given to solutions; one that is unsafe is refused', async (t) => {
  t.timeout(240_000);
  const { dir } = await makeStore(t);
  const folder = join(dir, 'pictures');
  await mkdir(folder);
  const name = (id: number) => `f${id}.png`;
  const rows = (first: number, count: number, label: boolean) =>
    Array.from({ length: count }, (_, i) => [first + i, name(first + i), i % 7, ...(label ? [i % 7 > 3 ? 1 : 0] : [])].join(',')).join(
      '\n',
    );
  await writeFile(join(folder, 'train.csv'), `id,file,x,y\n${rows(0, 120, true)}\n`);
  await writeFile(join(folder, 'test.csv'), `id,file,x\n${rows(120, 30, false)}\n`);
  await writeFile(join(folder, 'sample_submission.csv'), `id,y\n${Array.from({ length: 30 }, (_, i) => `${120 + i},0`).join('\n')}\n`);
  const zip = new ZipFile();
  for (let id = 0; id < 150; id += 1) zip.addBuffer(Buffer.from(`file ${id}`), name(id));
  zip.end();
  await writeFile(join(folder, 'files.zip'), await readAll(zip.outputStream));
  const { result, lines } = await solve(t, folder, { timeLimitS: BUSY_LIMIT_S, recipes: QUICKEST });
  t.is(result.exitCode, 0, lines.slice(-20).join('\n'));
  t.true(
    result.manifest?.notes.some((note) => /the files that file names are given to solutions/.test(note)),
    result.manifest?.notes.join(),
  );

  // Without an archive of several files nothing is held against names that differ only in case.
  await writeFile(join(folder, 'ABOUT.txt'), 'a');
  await writeFile(join(folder, 'about.txt'), 'b');
  const copied = join(dir, 'copied');
  const { unpack } = createFolderKaggle(folder);
  await rm(join(folder, 'files.zip'));
  t.true((await unpack('', copied)).some(({ path }) => path === 'ABOUT.txt'));
  await rm(join(folder, 'about.txt'));

  const unsafe = new ZipFile();
  unsafe.addBuffer(Buffer.from('a'), 'one.txt');
  unsafe.addBuffer(Buffer.from('b'), 'ONE.txt');
  unsafe.end();
  await writeFile(join(folder, 'files.zip'), await readAll(unsafe.outputStream));
  const refused = await solve(t, folder, { timeLimitS: BUSY_LIMIT_S, recipes: QUICKEST });
  t.is(refused.result.exitCode, 64);
  t.regex(refused.result.error?.message ?? '', /The archive was not unpacked: two entries have the same name/);
});

test('a folder without a training file ends with 64 and says which files there are', async (t) => {
  t.timeout(60_000);
  const { dir } = await makeStore(t);
  const folder = join(dir, 'pictures');
  await mkdir(folder);
  await writeFile(join(folder, 'cat.png'), 'no picture');
  const { result } = await solve(t, folder);
  t.is(result.exitCode, 64);
  t.is(result.error?.code, 'bad-input');
  t.is(result.error?.turn, 'caller');
  t.is(result.manifest, null);
});

test('a folder that is not there ends with 64 and names it', async (t) => {
  const { result } = await solve(t, '/no/such/folder');
  t.is(result.exitCode, 64);
  t.regex(result.error?.message ?? '', /There is no folder \/no\/such\/folder/);
});
