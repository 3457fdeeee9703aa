import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outside } from '../report/evidence.ts';
import type { Manifest, ManifestFile } from '#core/report.ts';
import type { RunContext, Task } from '../context.ts';
import type { Search } from '../search/search.ts';
import { Manifest as ManifestSchema } from '#core/report.ts';
import { blendSolutions } from './blend.ts';
import { throwIfStopped } from '../context.ts';
import { compareWithLeaderboard, expectScore } from './expect.ts';
import { createWithRetry, retryUnavailable } from '../storing.ts';
import { describeOutcome, describeSubmission } from '../search/keep.ts';
import { hashFile } from '../task/data.ts';
import { keys } from '#core/names.ts';
import { nameSubmission } from '../report/plain-csv.ts';
import { considerStacks } from './stack.ts';
import { readProgram } from '../search/program-files.ts';
import { submitToKaggle } from './submit.ts';
import { verifyFinalists } from './verify.ts';
import { writeEvidence } from '../report/evidence.ts';
import { writeNotebook } from '../report/notebook.ts';
import type { NotebookProgram } from '../report/notebook.ts';
import { writeReport } from '../report/html.ts';

const ORIGINAL_TYPES = { none: 'text/x-python', gzip: 'application/gzip', zip: 'application/zip' } as const;

interface ResultFile {
  readonly name: string;
  readonly path: string;
  readonly contentType: string;
}

/** Blends, compares stacks, sends the file to Kaggle if asked, stores every result file, and writes the manifest last. */
export async function finalize(stoppable: RunContext, task: Task, search: Search): Promise<Manifest> {
  throwIfStopped(stoppable.signal);
  // A few seconds before the end, SIGTERM is answered by finishing: the grace is longer than that. Only waiting for Kaggle is cut short.
  const run: RunContext = { ...stoppable, signal: new AbortController().signal };
  run.voice.update({ stage: 'finalize', message: 'blending and checking the final file' });
  await verifyFinalists(run, task, search);
  await blendSolutions(run, task, search);
  await considerStacks(run, task, search);
  const best = search.keeper.best;
  if (best === null) throw new Error('there is no valid file to finish with');
  if (best.solution.kind === 'baseline') addFallbackNote(run, search);
  const expected = await expectScore(run, search);
  const leaderboard = await run.stopwatch.measure('kaggle', () => submitToKaggle(run, task, search, stoppable.signal));
  if (leaderboard !== null) run.notes.push(...compareWithLeaderboard(expected, leaderboard));
  const elapsedS = Math.round(run.deadline.elapsedS() * 1000) / 1000;
  await run.journal.append({ type: 'attempt-ended', reason: 'finished', detail: `best: solution ${best.solution.number}`, elapsedS });
  const files = await writeFiles(run, task, search, { leaderboard, expected });
  const uploaded: ManifestFile[] = [];
  for (const file of files) uploaded.push(await uploadFile(run, file));
  const manifest: Manifest = ManifestSchema.parse({
    ...describeOutcome(run, task, search.keeper, search.board, best.solution),
    expected: expected && { score: expected.score, low: expected.low, high: expected.high },
    schemaVersion: 1,
    jobId: run.spec.jobId,
    attempt: run.spec.attempt,
    leaderboard,
    journal: { lastSeq: run.journal.head().seq, hash: run.journal.head().hash },
    files: uploaded,
  });
  run.voice.update({ stage: 'done', message: 'done', best: best.solution.report.score });
  await run.voice.flush();
  const key = keys.manifest(run.spec.jobId, run.spec.attempt);
  await createWithRetry(run.store, { key, body: JSON.stringify(manifest), contentType: 'application/json' });
  return manifest;
}

function addFallbackNote(run: RunContext, search: Search): void {
  const failed = [...search.board.reports.values()].filter((report) => report.state === 'failed');
  const tried = [...search.board.reports.values()].filter((report) => report.kind !== 'baseline');
  const why =
    tried.length === 0
      ? 'No model was tried (see the notes on time).'
      : failed.length === tried.length
        ? `All ${tried.length} models failed; the first: ${failed[0]?.failure ?? 'unknown'}`
        : 'No model scored better than the constant.';
  run.notes.unshift(`Fallback: this file holds constant predictions, not a model's. ${why}`.slice(0, 500));
}

async function writeFiles(run: RunContext, task: Task, search: Search, outside: Outside): Promise<ResultFile[]> {
  const best = search.keeper.best;
  if (best === null) return [];
  const files: ResultFile[] = [{ ...describeSubmission(task.profile.submission), path: best.path }];
  const add = async (name: string, body: Uint8Array | string, contentType: string): Promise<void> => {
    const path = join(run.workDir, `final-${name}`);
    await writeFile(path, body);
    files.push({ name, path, contentType });
  };
  const original = nameSubmission(task.profile.submission);
  const isNamedOtherwise = task.profile.kind === 'agent' && original !== 'submission.py' && original !== 'solution.py';
  if (best.originalPath !== best.path || isNamedOtherwise) files.push(await nameOriginal(run, task, best.originalPath));
  const code = await readBestProgram(run, search);
  if (code !== null) await add('solution.py', code, 'text/x-python');
  if (best.solution.kind === 'blend')
    await add('blend.json', `${JSON.stringify({ weights: search.weights }, null, 2)}\n`, 'application/json');
  if (best.solution.kind === 'stack')
    await add('stack.json', `${JSON.stringify({ members: best.solution.report.parents }, null, 2)}\n`, 'application/json');
  const evidence = writeEvidence(run, task, search, outside);
  const programs: NotebookProgram[] = [];
  for (const { number, file } of evidence.reproduction?.programs ?? []) {
    const report = search.board.reports.get(number);
    const program = report === undefined ? null : await readProgram(run, report);
    if (program === null) continue;
    await add(file, program, 'text/x-python');
    programs.push({ number, code: Buffer.from(program).toString('utf8') });
  }
  if (programs.length > 0 && task.profile.kind === 'rows') {
    const taskJson = await readFile(join(task.folds.runs[0]?.train_dir ?? '', 'task.json'), 'utf8');
    await add('notebook.ipynb', writeNotebook(evidence, task.profile, { taskJson, programs }), 'application/x-ipynb+json');
  }
  await add('evidence.json', `${JSON.stringify(evidence, null, 2)}\n`, 'application/json');
  await add('journal.jsonl', `${run.journal.lines().join('\n')}\n`, 'application/x-ndjson');
  await add('report.html', writeReport(evidence), 'text/html; charset=utf-8');
  return files;
}

async function nameOriginal(run: RunContext, task: Task, path: string): Promise<ResultFile> {
  const { submission } = task.profile;
  const name = nameSubmission(submission);
  const named = join(run.workDir, `final-${name}`);
  await copyFile(path, named);
  return { name, path: named, contentType: ORIGINAL_TYPES[submission.compression] };
}

/** The program of the best solution; of a blend, the program of its heaviest member. */
async function readBestProgram(run: RunContext, search: Search): Promise<Uint8Array | null> {
  const best = search.keeper.best?.solution;
  const heaviest = search.weights.toSorted((left, right) => right.weight - left.weight)[0];
  const number = best?.kind === 'blend' ? heaviest?.solution : best?.number;
  const report = number === undefined ? undefined : search.board.reports.get(number);
  return report === undefined ? null : readProgram(run, report);
}

async function uploadFile(run: RunContext, { name, path, contentType }: ResultFile): Promise<ManifestFile> {
  return run.stopwatch.measure('store', async () => {
    const key = keys.file(run.spec.jobId, run.spec.attempt, name);
    const outcome = await retryUnavailable(() => run.store.createObjectFromFile(key, path, contentType));
    if (outcome.kind === 'exists' && !outcome.same) throw new Error(`${name} was stored before with other bytes`);
    return { name, key, sha256: await hashFile(path), bytes: (await stat(path)).size, contentType };
  });
}
