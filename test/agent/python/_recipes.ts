import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { PYTHON } from '#test/_support/python.ts';
import { fixTask, openHarness, writeFiles } from './_harness.ts';

/** Runs a program; rejects unless it ends with 0. */
export const runFile = promisify(execFile);
/** Where the assembled programs are. */
export const RECIPES = fileURLToPath(new URL('../../../agent/python/recipes', import.meta.url));
/** The programs that learn from labelled rows. */
export const PROGRAMS = [
  'gradient_boosting',
  'xgboost_shallow',
  'linear',
  'extra_trees',
  'text_linear',
  'nearest_answers',
  'text_extract',
  'item_neighbours',
  'image_pixels',
];
/** Those of answers that are texts, which the others cannot give. */
export const OF_ANSWERS = new Set(['nearest_answers', 'text_extract', 'item_neighbours', 'image_pixels']);

/** A competition, and what a recipe must come to on it. */
export interface Kind {
  title: string;
  metric: MetricId;
  /** The score of a constant; a recipe must be clearly better. */
  beats: (score: number, baseline: number) => boolean;
  files: () => Record<string, string | Uint8Array>;
}

/** One run of a recipe over a fold's folders, as the sandbox would start it. */
export async function runProgram(
  program: string,
  folders: { train_dir: string; predict_dir: string },
  out: string,
  params: string,
): Promise<void> {
  const paths = ['--train', folders.train_dir, '--predict', folders.predict_dir, '--out', out, '--params', params];
  const limits = ['--seed', '3', '--threads', '1', '--deadline', '600'];
  await runFile(PYTHON, ['-I', '-B', join(RECIPES, `${program}.py`), ...paths, ...limits], { timeout: 200_000, env: {} });
}

/** The recipe's first fold of two must score as `kind` says. */
export async function checkProgram(t: ExecutionContext, program: string, kind: Kind): Promise<void> {
  const harness = openHarness(t);
  await fixTask(t, harness, { dataDir: await writeFiles(t, kind.files()), metric: kind.metric });
  const baseline = (await harness.baseline({})).evaluation;
  const cut = await harness.cut({ fold_count: 2 });
  const work = await writeFiles(t, { 'params.json': '{"effort": "fast"}' });
  const [run] = cut.runs;
  if (!run) return t.fail('no fold');
  const out = join(work, run.run_id);
  await runProgram(program, run, out, join(work, 'params.json'));
  const grade = await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out });
  t.is(grade.failure, null, `${program} on ${kind.title}`);
  const score = grade.score ?? Number.NaN;
  t.true(kind.beats(score, baseline.score), `${program} on ${kind.title}: ${score} against ${baseline.score}`);
}
