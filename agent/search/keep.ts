import { createHash } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Check, Evaluation, SubmissionSchema } from '../evaluate/harness-protocol.ts';
import type { BestRecord, SolutionReport, SubmissionName } from '#core/report.ts';
import type { RunContext, Task } from '../context.ts';
import type { GradedSolution, Scoreboard } from './scoreboard.ts';
import type { StateObject } from '../journal/entries.ts';
import { callHarness } from '../context.ts';
import { createWithRetry, retryUnavailable } from '../storing.ts';
import { HarnessFailure } from '../harness-port.ts';
import { hashFile } from '../task/data.ts';
import { keys } from '#core/names.ts';
import { writePlainCsv } from '../report/plain-csv.ts';

/** What a result calls the submission: a table, or a program where that is what a competition takes. */
export function describeSubmission({ form }: SubmissionSchema): { readonly name: SubmissionName; readonly contentType: string } {
  return form === 'program' ? { name: 'submission.py', contentType: 'text/x-python' } : { name: 'submission.csv', contentType: 'text/csv' };
}

/** Where the best valid file of this attempt is, and what it is. */
export interface BestFile {
  readonly solution: GradedSolution;
  /** Plain CSV, or a program; `sha256` and `bytes` are its own. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** As the competition wants it: the same file unless it must be compressed. */
  readonly originalPath: string;
  readonly checks: readonly Check[];
  readonly seq: number;
}

/** The attempt's best file so far; null before the first. */
export interface Keeper {
  best: BestFile | null;
  firstValidSeconds: number | null;
}

/** Stores a solution's out-of-fold and test scores, so that a later attempt can go on without running it again. */
export async function saveState(run: RunContext, solution: number): Promise<StateObject> {
  const path = join(run.workDir, `state-${solution}.npz`);
  const saved = await callHarness(run, 'save_state', { path, solutions: [solution] });
  const key = keys.state(run.spec.jobId, `${saved.sha256}.npz`);
  await retryUnavailable(() => run.store.createObjectFromFile(key, path, 'application/octet-stream'));
  await rm(path, { force: true });
  return { key, sha256: saved.sha256, bytes: saved.bytes };
}

/** Keeps a text of a solution. A name that an earlier attempt used for other bytes gets this attempt's number in front. */
export async function storeSolutionFile(run: RunContext, number: number, name: string, body: Uint8Array | string): Promise<string> {
  const key = keys.solution(run.spec.jobId, number, name);
  const outcome = await createWithRetry(run.store, { key, body, contentType: 'text/plain; charset=utf-8' });
  if (outcome.kind === 'created' || outcome.same) return key;
  const other = keys.solution(run.spec.jobId, number, `a${run.spec.attempt}-${name}`);
  await createWithRetry(run.store, { key: other, body, contentType: 'text/plain; charset=utf-8' });
  return other;
}

/**
 * Writes the solution's submission, validates it, and stores it as the best so far: file first, then its record, then the journal, then
 * the word. Returns null when the file is valid, else why it is not.
 */
export async function storeBest(
  run: RunContext,
  task: Task,
  keeper: Keeper,
  board: Scoreboard,
  solution: GradedSolution,
): Promise<string | null> {
  const startS = run.deadline.elapsedS();
  const seq = (keeper.best?.seq ?? 0) + 1;
  const { compression } = task.profile.submission;
  const submission = describeSubmission(task.profile.submission);
  const extension = extname(submission.name);
  const path = join(run.workDir, `best-${seq}${extension}`);
  const originalPath = compression === 'none' ? path : join(run.workDir, `best-${seq}.original`);
  const written = await run.stopwatch.measure('grade', () =>
    callHarness(run, 'write_submission', { solution: solution.number, path: originalPath }),
  );
  const failed = written.checks.find((check) => !check.ok);
  if (!written.valid) return `its submission is not valid: ${failed ? `${failed.name}: ${failed.detail}` : 'a check failed'}`.slice(0, 400);
  if (compression !== 'none') await writePlainCsv(originalPath, path, compression);
  const { sha256, bytes } = { sha256: await hashFile(path), bytes: (await stat(path)).size };
  const { jobId, attempt } = run.spec;
  const key = keys.bestFile(jobId, attempt, seq, extension);
  await run.stopwatch.measure('store', async () => {
    await retryUnavailable(() => run.store.createObjectFromFile(key, path, submission.contentType));
    keeper.firstValidSeconds ??= Math.round(run.deadline.elapsedS() * 100) / 100;
    const record: BestRecord = {
      ...describeOutcome(run, task, keeper, board, solution),
      schemaVersion: 1,
      jobId,
      attempt,
      seq,
      file: { ...submission, key, sha256, bytes },
    };
    await createWithRetry(run.store, {
      key: keys.best(jobId, attempt, seq),
      body: JSON.stringify(record),
      contentType: 'application/json',
    });
    await run.journal.append({ type: 'best-stored', solution: solution.number, best: seq, sha256, key });
  });
  keeper.best = { solution, path, sha256, bytes, originalPath, checks: written.checks, seq };
  board.best = solution;
  run.deadline.measureFinalization(run.deadline.elapsedS() - startS);
  const message = `best so far: ${solution.title}, ${task.metric.id} ${formatScore(solution.score)}`;
  run.log.info(message);
  run.voice.improved({ message, best: solution.report.score, firstValidSeconds: keeper.firstValidSeconds }, seq);
  return null;
}

/** The fields that best records and the manifest share. */
export function describeOutcome(run: RunContext, task: Task, keeper: Keeper, board: Scoreboard, solution: GradedSolution) {
  return {
    quality: solution.kind === 'baseline' ? ('fallback' as const) : ('model' as const),
    metric: task.metric.id,
    direction: task.metric.direction,
    metricIsProxy: task.metric.proxy,
    trust: solution.report.trust,
    expected: null,
    cv: solution.report.score,
    bestSolution: solution.number,
    solutions: [...board.reports.values()].filter((report) => report.state !== 'running').length,
    firstValidSeconds: keeper.firstValidSeconds,
    seconds: Math.round(run.deadline.elapsedS() * 10) / 10,
    resources: { ...run.used, runSeconds: Math.round(run.used.runSeconds * 10) / 10 },
    notes: run.notes.slice(0, 50).map((note) => note.slice(0, 500)),
  };
}

/** Loads an earlier attempt's stored scores into the harness; null when they are missing, damaged or of another task. */
export async function loadState(run: RunContext, state: StateObject): Promise<Evaluation | null> {
  const bytes = await retryUnavailable(() => run.store.readObject(state.key, 1024 * 1024 * 1024));
  if (bytes === null || createHash('sha256').update(bytes).digest('hex') !== state.sha256) return null;
  const path = join(run.workDir, `${state.sha256}.npz`);
  await writeFile(path, bytes, { mode: 0o600 });
  try {
    const { evaluations } = await callHarness(run, 'load_state', { path });
    return evaluations[0] ?? null;
  } catch (error) {
    if (error instanceof HarnessFailure && error.kind === 'refused') return null;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

/** A score as people read it: five significant digits. */
export function formatScore(score: number): string {
  return Number(score.toPrecision(5)).toString();
}

/** Cuts a report to what an event object may hold. */
export function shortenReport(report: SolutionReport): SolutionReport {
  return {
    ...report,
    checks: report.checks.slice(0, 30).map((check) => ({ ...check, detail: check.detail.slice(0, 300) })),
    trust: report.trust && { ...report.trust, reasons: report.trust.reasons.slice(0, 10).map((reason) => reason.slice(0, 300)) },
    failure: report.failure?.slice(0, 600) ?? null,
  };
}
