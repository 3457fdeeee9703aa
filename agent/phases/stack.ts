import { readFile } from 'node:fs/promises';
import type { RunContext, Task } from '../context.ts';
import type { Evaluation } from '../evaluate/harness-protocol.ts';
import type { MeasuredProgram } from '../search/probe.ts';
import type { Recipe } from '../search/recipes.ts';
import type { Search } from '../search/search.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import { callHarness, isStop, throwIfStopped } from '../context.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { HarnessFailure } from '../harness-port.ts';
import { orderByFamily } from '../search/family.ts';
import { gradeSolution } from '../search/grade-solution.ts';
import { chooseStacks } from '../search/recipes.ts';
import { runEach } from '../search/run-each.ts';
import { protectFolders, runFolds } from '../search/run-folds.ts';
import { compareScores, isImprovement, isMember, isSuspect } from '../search/scoreboard.ts';
import { makeBest, numberOf, reviseGraded, startSolution } from '../search/search.ts';
import { chooseRunsAtOnce } from '../search/start-run.ts';
import { storeSolutionFile } from '../search/keep.ts';

/** With fewer rows, a second level learns the noise of the first. */
const LEAST_ROWS = 2_000;
const LEAST_FOLDS = 3;
const MOST_MEMBERS = 4;
/** Above, the folders of all the runs without two folds would fill a disk: ten or so copies. */
const MOST_BYTES = 256 * 1024 * 1024;
/** Folds that the members and the stack are trained for once more, without the fold's rows (solution contract, section 4). */
const REBUILT_FOLDS = 2;
/** What all this may take of the time that training has left. */
const SHARE = 0.8;
/** What grading and files cost besides the runs. */
const MARGIN = 1.15;
/** A run over all labelled rows, against the slowest fold (solution contract, section 3). */
const REFIT_SHARE = 1.5;

/**
 * Tries programs that learn from the scores of those before. Members are trained again without two folds first, since a stack can only be
 * chosen by what it scores there. Without time for all of it nothing is begun.
 */
export async function tryStacks(run: RunContext, task: Task, search: Search): Promise<void> {
  try {
    await stack(run, task, search);
  } catch (error) {
    if (isStop(error) || error instanceof ClaimLost || error instanceof RunEnds || search.keeper.best === null) throw error;
    if (error instanceof HarnessFailure && error.kind === 'died') throw error;
    run.log.warn(`nothing more is stacked: ${describeError(error)}`);
  }
}

/** Whether there are stacks to try, and enough rows and folds for them; their time is another question. */
export function mayStack(run: RunContext, task: Task, search: Search): boolean {
  const { runs, fold_count: foldCount } = task.folds;
  const answersTests = runs.every((folders) => folders.predict_kind === 'validation+test');
  const bytes = task.data.reduce((sum, file) => sum + file.bytes, 0);
  const isFit = answersTests && foldCount >= LEAST_FOLDS && task.profile.train_rows >= LEAST_ROWS && bytes <= MOST_BYTES;
  return isFit && listStacks(run, task, search).length > 0;
}

function listStacks(run: RunContext, task: Task, search: Search): Recipe[] {
  return chooseStacks(run.recipes, task.profile).filter((recipe) => !isDone(search, recipe));
}

async function stack(run: RunContext, task: Task, search: Search): Promise<void> {
  if (!mayStack(run, task, search)) return;
  const members = chooseMembers(run, task, search);
  if (members.length < 2) return run.log.info('no stack: fewer than two programs fit into the time that is left, twice over');
  const rebuilt = await rebuildMembers(run, task, members);
  if (rebuilt.length < 2) return;
  for (const recipe of listStacks(run, task, search)) {
    throwIfStopped(run.signal);
    if (run.deadline.workS() < predictStackS(run, task, rebuilt)) return run.log.info(`no time for ${recipe.title}`);
    await tryStack(run, task, search, recipe, rebuilt);
  }
  for (const member of rebuilt) await refitMember(run, task, search, member);
}

function isDone(search: Search, { title }: Recipe): boolean {
  return [...search.board.reports.values()].some((report) => report.kind === 'stack' && report.title === title);
}

/** The best programs, of different families before others, as many as can be trained again in the time that is left. */
function chooseMembers(run: RunContext, task: Task, search: Search): MeasuredProgram[] {
  const ranked = [...search.board.graded.values()]
    .filter((graded) => isMember(graded))
    .toSorted((left, right) => compareScores(task.metric, right.score, left.score));
  const programs = orderByFamily(search, ranked)
    .flatMap(({ number }) => search.programs.get(number) ?? [])
    .slice(0, MOST_MEMBERS);
  const fits = () => predictRebuildS(run, task, programs) + predictStackS(run, task, programs) <= SHARE * run.deadline.workS();
  while (programs.length > 1 && !fits()) {
    const dearest = programs.toSorted((left, right) => right.slowestFoldS - left.slowestFoldS)[0];
    programs.splice(
      programs.findIndex((each) => each === dearest),
      1,
    );
  }
  return programs;
}

function predictRebuildS(run: RunContext, task: Task, members: readonly MeasuredProgram[]): number {
  const rounds = Math.ceil((REBUILT_FOLDS * task.folds.fold_count) / chooseRunsAtOnce(run, task));
  return members.reduce((sum, { slowestFoldS }) => sum + slowestFoldS * rounds * MARGIN, 0);
}

/** A stack is a program like its members, with a few columns more. */
function predictStackS(run: RunContext, task: Task, members: readonly MeasuredProgram[]): number {
  const rounds = Math.ceil(task.folds.fold_count / chooseRunsAtOnce(run, task)) + REBUILT_FOLDS;
  return Math.max(...members.map(({ slowestFoldS }) => slowestFoldS)) * rounds * MARGIN;
}

async function rebuildMembers(run: RunContext, task: Task, members: readonly MeasuredProgram[]): Promise<MeasuredProgram[]> {
  const { runs } = await run.stopwatch.measure('cut', () => callHarness(run, 'cut_rebuild', {}));
  const rebuilt: MeasuredProgram[] = [];
  let done = 0;
  for (const member of members) {
    const failure = await runEach(run, task, member, runs, async ({ run_id }, outDir) => {
      const params = { solution: member.number, run_id, out_dir: outDir };
      const reply = await run.stopwatch.measure('grade', () => callHarness(run, 'take_rebuild', params));
      done += 1;
      run.voice.update({ message: `for a stack: ${done} of ${members.length * runs.length} runs without two folds` });
      return reply;
    });
    if (failure === null) rebuilt.push(member);
    else run.log.warn(`solution ${member.number} is not stacked: ${failure}`);
  }
  return rebuilt;
}

async function tryStack(run: RunContext, task: Task, search: Search, recipe: Recipe, members: readonly MeasuredProgram[]): Promise<void> {
  const parents = members.map((member) => member.number);
  const { name, sha256, params, title, program: path } = recipe;
  const number = numberOf(run, search, { kind: 'stack', parents, recipe: name });
  const codeKey = await storeSolutionFile(run, number, 'solution.py', await readFile(path));
  const program = { recipe: name, sha256, params: { ...params } };
  const draft = await startSolution(run, search, { number, title, kind: 'stack', parents, codeKey }, program);
  await gradeSolution(run, search, draft, async () => {
    const { runs } = await run.stopwatch.measure('cut', () => callHarness(run, 'cut_stack', { solution: number, members: parents }));
    await protectFolders(runs);
    const own: Task = { ...task, folds: { ...task.folds, runs, final_run: null, refit_run: null } };
    const folds = await runFolds(run, own, { number, path, params, isFirstModel: false });
    if (folds.failure !== null) return folds;
    const rebuilt = await run.stopwatch.measure('cut', () => callHarness(run, 'cut_rebuilt_stack', { solution: number }));
    const failure = await runEach(run, task, { number, path, params }, rebuilt.runs, ({ run_id }, outDir) =>
      run.stopwatch.measure('grade', () => callHarness(run, 'take_rebuilt_stack', { solution: number, run_id, out_dir: outDir })),
    );
    return { ...folds, failure };
  });
}

/** Where one model of all rows beats the mean of the folds' models, it answers the test rows from now on. */
async function refitMember(run: RunContext, task: Task, search: Search, member: MeasuredProgram): Promise<void> {
  const { number: solution, slowestFoldS } = member;
  const graded = search.board.graded.get(solution);
  if (graded === undefined || REFIT_SHARE * slowestFoldS > run.deadline.workS()) return;
  const { run: folders, detail } = await run.stopwatch.measure('cut', () => callHarness(run, 'cut_refit', { solution }));
  run.log.info(`solution ${solution}: ${detail}`);
  if (folders === null) return;
  let evaluation: Evaluation | null = null;
  const failure = await runEach(run, task, member, [folders], async (_, outDir) => {
    const reply = await run.stopwatch.measure('grade', () => callHarness(run, 'take_refit', { solution, out_dir: outDir }));
    evaluation = reply.evaluation;
    return { failure: reply.adopted ? null : reply.detail };
  });
  if (failure !== null) run.log.info(`solution ${solution}: the mean of the folds stays: ${failure}`);
  if (evaluation === null) return;
  const revised = await reviseGraded(run, search, graded, evaluation);
  if (failure === null && search.keeper.best?.solution.number === solution) await makeBest(run, task, search, revised);
}

/** Makes a stack the best if it beats the best so far on the folds that it never saw; says so either way. */
export async function considerStacks(run: RunContext, task: Task, search: Search): Promise<void> {
  for (const graded of [...search.board.graded.values()].filter(({ kind }) => kind === 'stack')) {
    const best = search.keeper.best?.solution;
    if (best === undefined || isSuspect(graded)) continue;
    try {
      if (await beats(run, task, graded, best)) await makeBest(run, task, search, graded);
    } catch (error) {
      if (!(error instanceof HarnessFailure)) throw error;
      run.log.warn(`solution ${graded.number} cannot be compared: ${error.message}`);
    }
  }
}

async function beats(run: RunContext, task: Task, graded: GradedSolution, best: GradedSolution): Promise<boolean> {
  // Both were scored on the same two folds.
  if (best.kind === 'stack') return isImprovement(task.metric, graded, best);
  const { wins, detail } = await run.stopwatch.measure('grade', () =>
    callHarness(run, 'judge_stack', { solution: graded.number, against: best.number }),
  );
  const note = `Solution ${graded.number} (${graded.title}): ${detail}: ${wins ? 'it is the best now' : 'not better beyond noise'}.`;
  run.notes.push(note);
  run.log.info(note);
  return wins;
}
