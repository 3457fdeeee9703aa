import { createHash } from 'node:crypto';
import type { RunContext, Task } from '../context.ts';
import type { GradedSolution } from './scoreboard.ts';
import type { Search } from './search.ts';
import type { SolutionReport } from '#core/report.ts';
import { probeFinalist } from '../phases/verify.ts';
import { callHarness } from '../context.ts';
import { retryUnavailable } from '../storing.ts';
import { gradeSolution } from './grade-solution.ts';
import { storeSolutionFile } from './keep.ts';
import { writeProgram } from './program-files.ts';
import { runEach } from './run-each.ts';
import { runFolds } from './run-folds.ts';
import { isImprovement, isSuspect, lacksProbes } from './scoreboard.ts';
import { considerBest, finishFailed, nextNumber, startSolution } from './search.ts';
import { chooseRunsAtOnce } from './start-run.ts';

/** A program that Claude wrote. */
export interface WrittenProgram {
  readonly title: string;
  readonly code: string;
  readonly parents: readonly number[];
  /** Told its number before anything is known of it. */
  readonly onNumber?: (number: number) => void;
}

/** What came of it; `said` = the last of what it printed, for a failed one. */
export type ProgramOutcome =
  | { readonly kind: 'graded'; readonly graded: GradedSolution }
  | { readonly kind: 'failed'; readonly number: number; readonly failure: string; readonly said: string };

const MOST_DEATHS = 2;
/** With the failure itself, what Claude is told of a run stays below 4 kB (solution contract, section 5). */
const MOST_SAID_CHARS = 3_200;
const MOST_LOG_BYTES = 4 * 1024 * 1024;
/** One program may take this share of the time that training has left, and each of its runs at least so many seconds. */
const SHARE = 1 / 3;
const LEAST_RUN_S = 20;

/**
 * Runs a program over all folds as a solution, probes it if it would be the best, and considers it. One that an earlier attempt began keeps its
 * number; one that it finished is not run again.
 */
export async function tryProgram(run: RunContext, task: Task, search: Search, written: WrittenProgram): Promise<ProgramOutcome> {
  const sha256 = createHash('sha256').update(written.code).digest('hex');
  const known = [...run.earlier.started.values()].find((started) => started.kind === 'generated' && started.program?.sha256 === sha256);
  const before = known === undefined ? undefined : search.board.reports.get(known.number);
  const number = known?.number ?? nextNumber(run, search);
  written.onNumber?.(number);
  if (before !== undefined) return recall(run, task, search, before);
  const { title, code, parents } = written;
  const codeKey = await storeSolutionFile(run, number, 'solution.py', code);
  const draft = await startSolution(
    run,
    search,
    { number, title, kind: 'generated', parents: [...parents], codeKey },
    { recipe: `generated-${number}`, sha256, params: {} },
  );
  const path = await writeProgram(run, number, code);
  const refusal = await refuse(run, number, path);
  if (refusal !== null) {
    await finishFailed(run, search, draft, { failure: refusal, seconds: 0, log: '' });
    return { kind: 'failed', number, failure: refusal, said: '' };
  }
  const broken = await smoke(run, task, { number, path });
  if (broken !== null) {
    await finishFailed(run, search, draft, { failure: broken.failure, seconds: 0, log: broken.said });
    return { kind: 'failed', number, ...broken };
  }
  const rounds = Math.ceil(task.folds.runs.length / chooseRunsAtOnce(run, task));
  const mostRunS = Math.max(LEAST_RUN_S, (SHARE * run.deadline.workS()) / rounds);
  const program = { number, path, params: {} };
  const outcome = await gradeSolution(run, search, draft, () => runFolds(run, task, { ...program, isFirstModel: false, mostRunS }));
  if (outcome.kind === 'failed') return { kind: 'failed', number, failure: outcome.failure, said: cutSaid(outcome.log) };
  search.programs.set(number, { ...program, isGenerated: true, slowestFoldS: outcome.folds.slowestFoldS });
  return judge(run, task, search, outcome.graded);
}

/**
 * One run on a sample of a fold, where the folds are too large to find out by them that a program does not work; null = it does, or there is no
 * sample because a fold is small enough.
 */
async function smoke(
  run: RunContext,
  task: Task,
  program: { readonly number: number; readonly path: string },
): Promise<{ readonly failure: string; readonly said: string } | null> {
  const { probes } = await run.stopwatch.measure('cut', () => callHarness(run, 'cut_probes', { generated: true }));
  const sample = probes.find(({ kind }) => kind === 'control');
  if (sample === undefined) return null;
  let said = '';
  const keep = (chunk: string): void => {
    said = (said + chunk).slice(-2 * MOST_SAID_CHARS);
  };
  const failure = await runEach(run, task, { ...program, params: {}, onOutput: keep }, [sample.run], async () => ({ failure: null }));
  return failure === null ? null : { failure: `on a sample, ${failure}`, said: cutSaid(said) };
}

/** Probes a solution that would be the best, and considers it. */
async function judge(run: RunContext, task: Task, search: Search, measured: GradedSolution): Promise<ProgramOutcome> {
  const best = search.keeper.best?.solution ?? null;
  const mayBeBest = !isSuspect(measured) && isImprovement(task.metric, measured, best);
  const graded = mayBeBest && lacksProbes(measured) ? await probeFinalist(run, task, search, measured) : measured;
  if (best?.number !== graded.number) await considerBest(run, task, search, graded);
  return { kind: 'graded', graded };
}

async function refuse(run: RunContext, number: number, path: string): Promise<string | null> {
  const deaths = run.earlier.deaths.get(number) ?? 0;
  if (deaths >= MOST_DEATHS) return `${deaths} attempts ended while it ran: it is not run again`;
  const { reason } = await callHarness(run, 'check_program', { path });
  return reason === null ? null : `the program is refused: ${reason}`;
}

/** What an earlier attempt made of the same program. */
async function recall(run: RunContext, task: Task, search: Search, report: SolutionReport): Promise<ProgramOutcome> {
  const graded = search.board.graded.get(report.number);
  if (graded !== undefined) return judge(run, task, search, graded);
  const { logKey } = report;
  const bytes = logKey === null ? null : await retryUnavailable(() => run.store.readObject(logKey, MOST_LOG_BYTES));
  const said = cutSaid(bytes === null ? '' : Buffer.from(bytes).toString('utf8'));
  return { kind: 'failed', number: report.number, failure: report.failure ?? 'unknown', said };
}

function cutSaid(log: string): string {
  return log.slice(-MOST_SAID_CHARS);
}
