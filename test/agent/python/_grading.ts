import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Harness } from '#agent/evaluate/harness-client.ts';
import type { FoldGrade, RunFolders } from '#agent/evaluate/harness-protocol.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { byFold, fixTask, makeFolder, openHarness, readCsv, writeFiles } from './_harness.ts';

/** A competition whose baseline is graded and whose folds are cut; `wholeRun`: over all labelled rows, where there is one. */
export interface Opened {
  harness: Harness;
  runs: RunFolders[];
  wholeRun: RunFolders | null;
  workDir: string;
}

/** Opens a competition and cuts three folds, in a harness of its own or in one that is given: then whatever was open in that is forgotten. */
export async function openCut(
  t: ExecutionContext,
  files: Record<string, string | Uint8Array>,
  metric: MetricId,
  harness: Harness = openHarness(t),
  description = '',
): Promise<Opened> {
  const { workDir } = await fixTask(t, harness, { dataDir: await writeFiles(t, files), metric, description });
  await harness.baseline({});
  const cut = await harness.cut({ fold_count: 3 });
  return { harness, runs: byFold(cut.runs), wholeRun: cut.final_run ?? cut.refit_run, workDir };
}

/** The rows that a run has to answer. */
export async function rowsOf(run: RunFolders): Promise<Record<string, string>[]> {
  return readCsv(await readFile(join(run.predict_dir, 'rows.csv'), 'utf8'));
}

/** What a program answers for a row. */
export type Scorer = (row: Record<string, string>) => string | number;

/** Writes scores.csv (or another file) of one run, one line a row of PREDICT. */
export async function writeOutput(
  folder: string,
  run: RunFolders,
  scorer: Scorer,
  { name = 'scores.csv', column = 'target' } = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rows = await rowsOf(run);
  await writeFile(join(folder, name), `key,${column}\n${rows.map((row) => `${row['key']},${scorer(row)}`).join('\n')}\n`);
}

/** Answers and grades every fold, without finishing the solution. */
export async function gradeFolds(
  t: ExecutionContext,
  { harness, runs }: Opened,
  solution: number,
  scorer: Scorer,
  options?: { name?: string; column?: string },
): Promise<FoldGrade[]> {
  const out = await makeFolder(t);
  const grades: FoldGrade[] = [];
  for (const run of runs) {
    const folder = join(out, run.run_id);
    await writeOutput(folder, run, scorer, options);
    grades.push(await harness.gradeFold({ solution, run_id: run.run_id, out_dir: folder }));
    t.is(grades.at(-1)?.failure, null);
  }
  return grades;
}
