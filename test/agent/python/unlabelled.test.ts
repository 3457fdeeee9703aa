import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { FixedMetric, TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import { metricOfObjective } from '#agent/task/metric.ts';
import { makeFolder, openHarness, readCsv, writeFiles } from './_harness.ts';

const SQUARE = 'stop,x,y\na,0,0\nb,0,3\nc,4,3\nd,4,0\n';
const TOUR_PAGE = 'The score is the length of the tour.';
const GAME_PAGE = 'Send an agent that plays connect four. The score is the mean win rate, with 2 seconds per move.';

async function open(t: ExecutionContext, files: Record<string, string>, description: string) {
  const harness = openHarness(t);
  const dataDir = await writeFiles(t, files);
  const profile: TaskProfile = await harness.call('profile', { data_dir: dataDir, description, slug: 'test', metric: null });
  const metric: FixedMetric | null = metricOfObjective(profile);
  if (metric === null) throw new Error('the profile names no objective');
  await harness.call('fix_task', { data_dir: dataDir, work_dir: await makeFolder(t), profile, metric, seed: 0 });
  return { harness, profile, metric };
}

async function writeAnswer(t: ExecutionContext, text: string): Promise<string> {
  const out = await makeFolder(t);
  await writeFile(join(out, 'predictions.csv'), text);
  return out;
}

const listStops = (order: string): string => `stop\n${[...order].join('\n')}\n`;

test('a tour is measured as it is written, with the way back only where the page or the sample says so', async (t) => {
  for (const [sample, page, answer, length] of [
    ['acbd', TOUR_PAGE, 'abcd', 10],
    ['acbd', `${TOUR_PAGE} The van returns to the depot.`, 'abcd', 14],
    ['acbda', TOUR_PAGE, 'abcda', 14],
  ] as const) {
    const { harness, profile, metric } = await open(t, { 'stops.csv': SQUARE, 'sample_submission.csv': listStops(sample) }, page);
    t.like(profile, { kind: 'answer', shape: 'answer', train_rows: 4, targets: [{ name: 'stop', type: 'order' }] });
    t.like(metric, { id: 'tour_length', direction: 'minimize', proxy: false });
    const { evaluation: plain } = await harness.call('baseline', {});
    t.true(plain.score > length);
    const { runs } = await harness.call('cut', { fold_count: null });
    t.is(runs.length, 1);
    const out_dir = await writeAnswer(t, listStops(answer));
    const grade = await harness.call('grade_fold', { solution: 1, run_id: runs[0]?.run_id ?? '', out_dir });
    t.like(grade, { score: length, failure: null });
    t.like(await harness.call('finish_solution', { solution: 1 }), {
      score: length,
      low: length,
      high: length,
      trust: { verdict: 'verified' },
    });
    const path = join(await makeFolder(t), 'submission.csv');
    t.true((await harness.call('write_submission', { solution: 1, path })).valid);
    t.is(await readFile(path, 'utf8'), listStops(answer));
  }
});

for (const [title, text, words] of [
  ['a stop twice', listStops('abca'), /visits "a" a second time/],
  ['a stop that is none', listStops('abcx'), /"x", which is no point/],
  ['a stop too few', listStops('abc'), /3 rows, 4 expected/],
  ['another column', 'path\na\n', /lacks the column "stop"/],
  ['nothing', '', /cannot be read as CSV/],
] as const) {
  test(`an order that is no tour is refused, and nothing is scored: ${title}`, async (t) => {
    const { harness } = await open(t, { 'stops.csv': SQUARE, 'sample_submission.csv': listStops('acbd') }, TOUR_PAGE);
    const { runs } = await harness.call('cut', { fold_count: null });
    const grade = await harness.call('grade_fold', { solution: 1, run_id: runs[0]?.run_id ?? '', out_dir: await writeAnswer(t, text) });
    t.is(grade.score, null);
    t.regex(grade.failure ?? '', words);
    await t.throwsAsync(harness.call('finish_solution', { solution: 1 }), { message: /solution 1 is unknown/ });
    const path = join(await makeFolder(t), 'submission.csv');
    await writeFile(path, text);
    t.false((await harness.call('validate', { path })).valid);
  });
}

test('a page that asks for no short way leaves such a folder refused as before', async (t) => {
  const files = { 'stops.csv': SQUARE, 'sample_submission.csv': listStops('acbd') };
  await t.throwsAsync(open(t, files, 'Predict something.'), { message: /No training table was found/ });
});

/** A column for each position: the leftmost of the allowed ones with a place, or what `choose` says. */
async function playAll(
  t: ExecutionContext,
  harness: Awaited<ReturnType<typeof open>>['harness'],
  solution: number,
  choose: (board: string) => string,
): Promise<string | null> {
  const program = join(await makeFolder(t), 'agent.py');
  await writeFile(program, 'def act(board, mark):\n    return 0\n');
  let round = await harness.call('play_round', { solution, program, out_dir: null });
  while (round.run !== null) {
    const rows = readCsv(await readFile(join(round.run.predict_dir, 'rows.csv'), 'utf8'));
    t.is(rows.length, round.left);
    const moves = rows.map((row) => `${row['key']},${choose(row['board'] ?? '')}`);
    round = await harness.call('play_round', { solution, program, out_dir: await writeAnswer(t, `key,move\n${moves.join('\n')}\n`) });
  }
  return round.failure;
}

const leftmost = (board: string): string => String(board.indexOf('0'));

test('games are played round by round, and the same moves come to the same score', async (t) => {
  const { harness, profile, metric } = await open(t, { 'agent_example.py': 'def act(board, mark):\n    return 0\n' }, GAME_PAGE);
  t.like(profile, { kind: 'agent', targets: [{ name: 'move', type: 'move' }], submission: { form: 'program' } });
  t.like(metric, { id: 'win_rate', direction: 'maximize', proxy: false });
  const { evaluation: plain } = await harness.call('baseline', {});
  t.is(await playAll(t, harness, 1, leftmost), null);
  const found = await harness.call('finish_solution', { solution: 1 });
  t.deepEqual(found.fold_scores, plain.fold_scores, 'the baseline makes the same moves, and opponents answer the same');
  t.is(found.fold_scores.length, 5);
  const path = join(await makeFolder(t), 'agent.py');
  t.true((await harness.call('write_submission', { solution: 1, path })).valid);
  await writeFile(path, 'print(');
  t.false((await harness.call('validate', { path })).valid);
});

test('a move that is not legal loses its game, and a round without an answer ends the program', async (t) => {
  const { harness } = await open(t, { 'agent_example.py': '' }, GAME_PAGE);
  t.is(await playAll(t, harness, 1, () => '9'), null);
  const found = await harness.call('finish_solution', { solution: 1 });
  t.is(found.score, 0);
  t.regex(found.checks.find(({ name }) => name === 'legal moves in time')?.detail ?? '', /120 games were lost/);
  const program = join(await makeFolder(t), 'agent.py');
  await mkdir(join(program, '..'), { recursive: true });
  await writeFile(program, 'def act(board, mark):\n    return 0\n');
  t.not((await harness.call('play_round', { solution: 2, program, out_dir: null })).run, null);
  t.regex((await harness.call('play_round', { solution: 2, program, out_dir: await makeFolder(t) })).failure ?? '', /no predictions.csv/);
});

test('finished solutions are taken over by a later attempt at the same task only', async (t) => {
  const files = { 'stops.csv': SQUARE, 'sample_submission.csv': listStops('acbd') };
  const first = await open(t, files, TOUR_PAGE);
  await first.harness.call('baseline', {});
  const path = join(await makeFolder(t), 'state.npz');
  await first.harness.call('save_state', { path, solutions: [0] });
  const second = await open(t, files, TOUR_PAGE);
  t.is((await second.harness.call('load_state', { path })).evaluations.length, 1);
  const other = await open(t, { ...files, 'stops.csv': SQUARE.replace('4,3', '5,3') }, TOUR_PAGE);
  await t.throwsAsync(other.harness.call('load_state', { path }), { message: /another task/ });
});
