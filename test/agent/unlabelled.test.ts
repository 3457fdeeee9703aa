import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createFolderKaggle, nameFolder } from '#agent/task/folder-kaggle.ts';
import { RECIPES_INDEX } from '#agent/search/recipes.ts';
import { solveLocally } from '#agent/solve.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { EXAMPLES_DIR } from '#local/bundled.ts';
import { PYTHON } from '../_support/python.ts';
import { makeStore, readResultFile, readValidManifest } from '../_support/agent-store.ts';

async function solveDemo(t: ExecutionContext, slug: string) {
  t.timeout(240_000);
  const folder = join(EXAMPLES_DIR, slug);
  const { store } = await makeStore(t);
  const lines: string[] = [];
  const result = await solveLocally({
    slug: nameFolder(folder),
    kaggle: createFolderKaggle(folder),
    store,
    clock: systemClock,
    python: PYTHON,
    timeLimitS: 120,
    cpuMillis: 2000,
    memoryMib: 2048,
    submitToKaggle: false,
    signal: new AbortController().signal,
    onLine: (line) => lines.push(line),
    onProgress: () => undefined,
  });
  t.is(result.exitCode, 0, lines.slice(-20).join('\n'));
  const place = { jobId: result.jobId, attempt: 1 };
  return { manifest: await readValidManifest(store, result.jobId, 1), readFile: (name: string) => readResultFile(store, place, name) };
}

test('a tour is solved for real: every stop once, far shorter than the sample', async (t) => {
  const solved = await solveDemo(t, 'delivery-round');
  const { metric, quality, cv, trust } = solved.manifest;
  t.deepEqual([metric, quality, trust?.verdict], ['tour_length', 'model', 'verified']);
  t.true((cv?.score ?? Infinity) < 1_100, `${cv?.score}`);
  const stops = (await solved.readFile('submission.csv')).trim().split('\n').slice(1);
  t.is(stops.length, 401);
  t.is(new Set(stops).size, 400);
});

test('a program that plays is judged by games in the sandbox, and is itself the submission', async (t) => {
  const solved = await solveDemo(t, 'four-in-a-row');
  const { metric, quality, cv, files } = solved.manifest;
  t.deepEqual([metric, quality], ['win_rate', 'model']);
  t.true((cv?.score ?? 0) > 0.7, `${cv?.score}`);
  t.false(files.some(({ name }) => name === 'submission.csv'));
  const program = await solved.readFile('submission.py');
  t.is(await solved.readFile('agent.py'), program);
  t.is(await solved.readFile('solution.py'), program);
});

/** The moves of a player at one empty board a row. */
async function askMoves(t: ExecutionContext, player: string, rows: number): Promise<string[]> {
  const { dir } = await makeStore(t);
  const place = (name: string) => join(dir, name);
  for (const name of ['train', 'predict', 'out']) await mkdir(place(name));
  const objective = { id: 'win_rate', direction: 'maximize', game: 'four-in-a-row', move_limit_s: 0.2 };
  await writeFile(place('train/task.json'), JSON.stringify({ objective, board: { columns: 7, rows: 6, in_a_row: 4 } }));
  await writeFile(place('train/agent.py'), player);
  const boards = Array.from({ length: rows }, (_, row) => `${row + 1},${'0'.repeat(42)},${1 + (row % 2)}`);
  await writeFile(place('predict/rows.csv'), `key,board,mark\n${boards.join('\n')}\n`);
  const paths = ['--train', place('train'), '--predict', place('predict'), '--out', place('out')];
  await promisify(execFile)(PYTHON, ['-I', '-B', join(RECIPES_INDEX, '../play_positions.py'), ...paths], { timeout: 60_000, env: {} });
  const lines = (await readFile(place('out/predictions.csv'), 'utf8')).trim().split(/\r?\n/);
  return lines.slice(1).map((line) => line.split(',')[1] ?? '');
}

test('a player is called as Kaggle or as the page says, and what it cannot answer in time is no move', async (t) => {
  t.deepEqual(await askMoves(t, 'def act(board, mark):\n    return len(board) // 42 + mark\n', 2), ['2', '3']);
  const kaggle = 'def agent(observation, configuration):\n    return observation.mark + configuration.columns - 7\n';
  t.deepEqual(await askMoves(t, kaggle, 2), ['1', '2']);
  const late =
    'def act(board, mark):\n    while mark == 2:\n        try:\n            pass\n        except Exception:\n            pass\n    return 3\n';
  t.deepEqual(await askMoves(t, late, 2), ['3', '-1']);
  t.deepEqual(await askMoves(t, 'def act(board, mark):\n    return 4 if mark == 1 else 1 / 0\n', 2), ['4', '-1']);
});
