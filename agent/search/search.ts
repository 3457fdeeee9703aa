import type { Evaluation } from '../evaluate/harness-protocol.ts';
import type { Grade, JournalFact, StateObject } from '../journal/entries.ts';
import type { Keeper } from './keep.ts';
import type { RunContext, Task } from '../context.ts';
import type { GradedSolution, Scoreboard } from './scoreboard.ts';
import type { MeasuredProgram } from './probe.ts';
import type { SolutionReport, TrustCheck } from '#core/report.ts';
import type { TodoItem } from './todo-list.ts';
import { callHarness } from '../context.ts';
import { readProgram, writeProgram } from './program-files.ts';
import { createScoreboard, findBestByScore, isImprovement, isSuspect, isTieOfFew, lacksProbes, toScore } from './scoreboard.ts';
import { SETTING } from './recipes.ts';
import { formatScore, loadState, saveState, shortenReport, storeBest, storeSolutionFile } from './keep.ts';

/** What an attempt has tried, and the best valid file that came of it. */
export interface Search {
  readonly board: Scoreboard;
  readonly keeper: Keeper;
  /** Weights of the blend, once there is one. */
  weights: readonly { readonly solution: number; readonly weight: number }[];
  /** What Claude wanted to try, and what came of it. */
  todos: readonly TodoItem[];
  /** The programs of the graded solutions, to run them once more. */
  readonly programs: Map<number, MeasuredProgram>;
  /** What recipes took, by name: others are thought to take so many times that. */
  readonly recipeSeconds: Map<string, number>;
}

/** Starts with what earlier attempts finished (when it is still of this task), then makes sure of a valid file: the constant baseline. */
export async function beginSearch(run: RunContext, task: Task, resumable: boolean): Promise<Search> {
  const keeper: Keeper = { best: null, firstValidSeconds: null };
  const search: Search = { board: createScoreboard(), keeper, weights: [], todos: [], programs: new Map(), recipeSeconds: new Map() };
  if (resumable) await adoptFinished(run, search);
  if (!search.board.graded.has(0)) await runBaseline(run, task, search);
  const best = findBestByScore(search.board, task.metric, ['recipe', 'generated']);
  const baseline = search.board.graded.get(0);
  for (const candidate of [best, baseline]) {
    if (candidate && search.keeper.best === null) await considerBest(run, task, search, candidate);
  }
  if (search.keeper.best === null) throw new Error('not even the constant baseline gave a valid file: see the log');
  return search;
}

async function adoptFinished(run: RunContext, search: Search): Promise<void> {
  for (const [number, { report, state }] of run.earlier.finished) {
    if (report.kind === 'blend') continue;
    if (report.state === 'failed') search.board.reports.set(number, report);
    else if (await adoptGraded(run, search, report, state)) await rememberProgram(run, search, report);
    else run.log.warn(`solution ${number} of an earlier attempt cannot be taken over: it is run again`);
  }
  if (search.board.reports.size > 0) run.log.info(`going on with ${search.board.reports.size} finished solutions of earlier attempts`);
}

async function adoptGraded(run: RunContext, search: Search, report: SolutionReport, state: StateObject | null): Promise<boolean> {
  const evaluation = report.score === null || state === null ? null : await loadState(run, state);
  if (evaluation !== null) addGraded(search, report, evaluation);
  return evaluation !== null;
}

/** The program of a solution that an earlier attempt measured: a recipe that is still there, or what Claude wrote. */
async function rememberProgram(run: RunContext, search: Search, report: SolutionReport): Promise<void> {
  const { number, kind, foldScores, seconds } = report;
  if (kind === 'stack') return;
  const slowestFoldS = seconds / Math.max(1, foldScores.length);
  const started = run.earlier.started.get(number)?.program;
  const recipe = run.recipes.find(({ name, sha256 }) => name === started?.recipe.split(SETTING)[0] && sha256 === started.sha256);
  if (recipe !== undefined) {
    const { program: path, origin } = recipe;
    const params = started?.recipe === recipe.name ? recipe.params : (started?.params ?? {});
    const grades = run.earlier.finished.get(number)?.grades ?? [];
    search.programs.set(number, { number, path, params, isGenerated: origin === 'generated', slowestFoldS, grades });
    search.recipeSeconds.set(started?.recipe ?? recipe.name, seconds);
    return;
  }
  const code = kind === 'generated' ? await readProgram(run, report) : null;
  if (code === null) return;
  search.programs.set(number, { number, path: await writeProgram(run, number, code), params: {}, isGenerated: true, slowestFoldS });
}

/** The number of a solution that is made of others: the one that an earlier attempt gave to the same, else a new one. */
export function numberOf(
  run: RunContext,
  search: Search,
  made: { readonly kind: 'blend' | 'stack'; readonly parents: readonly number[]; readonly recipe: string | null },
): number {
  const before = [...run.earlier.started.values()].find(
    ({ kind, parents, program }) =>
      kind === made.kind && parents.join() === made.parents.join() && (program?.recipe ?? null) === made.recipe,
  );
  return before === undefined || search.board.reports.has(before.number) ? nextNumber(run, search) : before.number;
}

/** The number of a solution that was not planned. */
export function nextNumber(run: RunContext, search: Search): number {
  return Math.max(run.earlier.nextNumber - 1, ...search.board.reports.keys()) + 1;
}

const BASELINE_TITLES = { rows: 'Constant baseline', answer: 'As the sample', agent: 'The first legal move' } as const;

async function runBaseline(run: RunContext, task: Task, search: Search): Promise<void> {
  const startS = run.deadline.elapsedS();
  const draft = await startSolution(
    run,
    search,
    { number: 0, title: BASELINE_TITLES[task.profile.kind], kind: 'baseline', parents: [], codeKey: null },
    null,
  );
  const { evaluation } = await run.stopwatch.measure('grade', () => callHarness(run, 'baseline', {}));
  await finishGraded(run, search, draft, { evaluation, seconds: run.deadline.elapsedS() - startS, log: '', weights: [] });
}

/** What is known of a solution before it runs. */
export type SolutionDraft = Pick<SolutionReport, 'number' | 'title' | 'kind' | 'parents' | 'codeKey'>;

/** Journals and says that a solution begins. */
export async function startSolution(
  run: RunContext,
  search: Search,
  draft: SolutionDraft,
  program: Extract<JournalFact, { type: 'solution-started' }>['program'],
): Promise<SolutionDraft> {
  const { number, title, kind, parents } = draft;
  await run.journal.append({ type: 'solution-started', number, title, kind, parents, program });
  run.log.info(`solution ${number}: ${title}`);
  const report = makeReport(draft, { state: 'running' });
  search.board.reports.set(number, report);
  run.voice.update({ message: `solution ${number}: ${title}` }, report);
  return draft;
}

/** Journals and says that a solution failed, and why; its log is kept. */
export async function finishFailed(
  run: RunContext,
  search: Search,
  draft: SolutionDraft,
  end: { readonly failure: string; readonly seconds: number; readonly log: string },
): Promise<void> {
  const logKey = await storeLog(run, draft.number, end.log);
  const report = shortenReport(makeReport(draft, { state: 'failed', failure: end.failure, seconds: round(end.seconds), logKey }));
  await run.journal.append({ type: 'solution-finished', report, standardError: null, weights: [], state: null, grades: [] });
  run.log.warn(`solution ${draft.number} failed: ${end.failure}`);
  search.board.reports.set(draft.number, report);
  run.voice.update({ solutionsDone: countDone(search), message: `solution ${draft.number} failed` }, report);
}

/** Keeps what the grader measured: scores for resuming, log, evaluation; then the journal, then the word. */
export async function finishGraded(
  run: RunContext,
  search: Search,
  draft: SolutionDraft,
  end: {
    readonly evaluation: Evaluation;
    readonly seconds: number;
    readonly log: string;
    readonly weights: readonly { readonly solution: number; readonly weight: number }[];
    readonly grades?: readonly Grade[];
  },
): Promise<GradedSolution> {
  const { evaluation } = end;
  const { state, logKey } = await run.stopwatch.measure('store', async () => {
    await storeSolutionFile(run, draft.number, 'evaluation.json', `${JSON.stringify(evaluation, null, 2)}\n`);
    // A blend is made again from its members: nothing of it needs to be kept.
    const saved = draft.kind === 'blend' ? null : await saveState(run, draft.number);
    return { state: saved, logKey: await storeLog(run, draft.number, end.log) };
  });
  const report = shortenReport(
    makeReport(draft, {
      state: 'valid',
      score: toScore(evaluation),
      foldScores: evaluation.fold_scores,
      aggregate: evaluation.aggregate,
      checks: evaluation.checks,
      trust: evaluation.trust,
      seconds: round(end.seconds),
      logKey,
    }),
  );
  const { standard_error: standardError } = evaluation;
  await run.journal.append({
    type: 'solution-finished',
    report,
    standardError,
    weights: [...end.weights],
    state,
    grades: [...(end.grades ?? [])],
  });
  const graded = addGraded(search, report, evaluation);
  const { score, low, high } = evaluation;
  const interval = `${formatScore(score)} (95 %: ${formatScore(low)} to ${formatScore(high)})`;
  run.log.info(`solution ${draft.number}: ${draft.title}: ${interval}, ${round(end.seconds)} s`);
  run.voice.update(
    { solutionsDone: countDone(search), message: `solution ${draft.number}: ${draft.title}: ${formatScore(score)}` },
    report,
  );
  return graded;
}

/** Makes the solution the best when it is better beyond noise and its file is valid. */
export async function considerBest(run: RunContext, task: Task, search: Search, graded: GradedSolution): Promise<void> {
  if (isSuspect(graded)) return sayWhySuspect(run, graded);
  if (lacksProbes(graded)) return;
  const best = search.keeper.best?.solution ?? null;
  if (isImprovement(task.metric, graded, best) || isTieOfFew(task.metric, task.profile.train_rows, graded, best))
    await makeBest(run, task, search, graded);
}

/** Makes the solution the best if its file is valid. */
export async function makeBest(run: RunContext, task: Task, search: Search, graded: GradedSolution): Promise<void> {
  const problem = await storeBest(run, task, search.keeper, search.board, graded);
  if (problem !== null) await dropInvalid(run, search, graded, problem);
}

/** A solution whose file is not valid is none. */
async function dropInvalid(run: RunContext, search: Search, graded: GradedSolution, problem: string): Promise<void> {
  search.board.graded.delete(graded.number);
  const report = { ...graded.report, state: 'failed' as const, failure: problem };
  search.board.reports.set(graded.number, report);
  run.log.warn(`solution ${graded.number}: ${problem}`);
  await run.journal.append({ type: 'solution-finished', report, standardError: null, weights: [], state: null, grades: [] });
  run.voice.update({}, report);
}

/** Keeps what the probes added to a solution's evaluation: scores for resuming, the evaluation, the journal, the word. */
export async function reviseGraded(
  run: RunContext,
  search: Search,
  graded: GradedSolution,
  evaluation: Evaluation,
): Promise<GradedSolution> {
  const { number } = graded;
  await storeSolutionFile(run, number, 'evaluation-probed.json', `${JSON.stringify(evaluation, null, 2)}\n`);
  const state = await run.stopwatch.measure('store', () => saveState(run, number));
  const notes = graded.report.checks.filter(({ name }) => name === READER_CHECK);
  const report = shortenReport({ ...graded.report, checks: [...evaluation.checks, ...notes], trust: evaluation.trust });
  await run.journal.append({ type: 'solution-finished', report, standardError: evaluation.standard_error, weights: [], state, grades: [] });
  run.voice.update({}, report);
  const revised = addGraded(search, report, evaluation);
  const { best } = search.keeper;
  if (best?.solution.number === number) search.keeper.best = { ...best, solution: revised };
  if (isSuspect(revised)) sayWhySuspect(run, revised);
  return revised;
}

/** What a reader of a solution's program found: a note, which measuring it again does not take away. */
export const READER_CHECK = 'as Claude reads the program';

/** Puts notes beside a solution's checks and says so; they are in its report, and change no score and no verdict. */
export function noteChecks(run: RunContext, search: Search, number: number, notes: readonly TrustCheck[]): void {
  const graded = search.board.graded.get(number);
  if (graded === undefined) return;
  const report = shortenReport({ ...graded.report, checks: [...graded.report.checks, ...notes] });
  const noted = { ...graded, report };
  search.board.reports.set(number, report);
  search.board.graded.set(number, noted);
  if (search.keeper.best?.solution.number === number) search.keeper.best = { ...search.keeper.best, solution: noted };
  run.voice.update({}, report);
}

/** The best file is of a solution that turned out suspect: the next best takes its place, at worst the constant. */
export async function demoteBest(run: RunContext, task: Task, search: Search): Promise<void> {
  for (;;) {
    const next = findBestByScore(search.board, task.metric, ['recipe', 'generated']) ?? search.board.graded.get(0);
    if (next === undefined) throw new Error('there is no solution left that could be the best');
    const problem = await storeBest(run, task, search.keeper, search.board, next);
    if (problem === null) return;
    await dropInvalid(run, search, next, problem);
  }
}

function sayWhySuspect(run: RunContext, { number, title, report }: GradedSolution): void {
  const note = `Solution ${number} (${title}) is suspect and can't be the best: ${report.trust?.reasons.join('; ') ?? 'unknown'}`.slice(
    0,
    500,
  );
  run.notes.push(note);
  run.log.warn(note);
}

function addGraded(search: Search, report: SolutionReport, { score, raw }: Evaluation): GradedSolution {
  const { number, kind, title, foldScores } = report;
  const graded: GradedSolution = { number, kind, title, score, foldScores, isRaw: raw, report };
  search.board.reports.set(number, report);
  search.board.graded.set(number, graded);
  return graded;
}

function makeReport(draft: SolutionDraft, known: Partial<SolutionReport>): SolutionReport {
  const empty = { score: null, foldScores: [], aggregate: null, checks: [], trust: null, seconds: 0, failure: null, logKey: null };
  return { ...empty, state: 'running', ...draft, ...known };
}

async function storeLog(run: RunContext, number: number, log: string): Promise<string | null> {
  return log === '' ? null : storeSolutionFile(run, number, 'log.txt', log);
}

function countDone(search: Search): number {
  return [...search.board.reports.values()].filter((report) => report.state !== 'running').length;
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
