import { readFile } from 'node:fs/promises';
import type { PlannedSolution } from './plan.ts';
import type { RunContext, Task } from '../context.ts';
import type { Search } from '../search/search.ts';
import { callHarness, isStop, throwIfStopped } from '../context.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { gradeSolution } from '../search/grade-solution.ts';
import { considerBest, finishFailed, startSolution } from '../search/search.ts';
import { isImprovement, isSuspect } from '../search/scoreboard.ts';
import { probeFinalist } from './verify.ts';
import { explore } from './explore.ts';
import { tryStacks } from './stack.ts';
import { playGames } from '../search/play-games.ts';
import { runFolds } from '../search/run-folds.ts';
import { storeSolutionFile } from '../search/keep.ts';

/** A run that could not even start and read its data takes about this long; less time left than that is not worth a start. */
const MIN_WORK_S = 1;

/** Tries the planned solutions one after the other until a stop rule holds: the plan is done, or the time that training may use is over. */
export async function execute(run: RunContext, task: Task, search: Search, plan: readonly PlannedSolution[]): Promise<void> {
  run.voice.update({ stage: 'execute', solutionsPlanned: search.board.reports.size + plan.length + 1 });
  let skipped = 0;
  for (const planned of plan) {
    throwIfStopped(run.signal);
    await run.steering.poll();
    if (run.deadline.workS() < MIN_WORK_S) {
      skipped += 1;
      continue;
    }
    await trySolution(run, task, search, planned);
  }
  if (skipped === 0) return;
  const left = `${skipped} planned solution${skipped === 1 ? '' : 's'}`;
  addNote(
    run,
    run.steering.isFinishing()
      ? `You asked it to finish: ${left} ${skipped === 1 ? 'was' : 'were'} not tried.`
      : `${left} did not fit into the time limit.`,
  );
}

/** As `execute`, but what breaks it off does not take the job's valid file away: the search ends early, and says so. */
export async function executeSafely(run: RunContext, task: Task, search: Search, plan: readonly PlannedSolution[]): Promise<void> {
  try {
    await execute(run, task, search, plan);
    await explore(run, task, search);
    await tryStacks(run, task, search);
  } catch (error) {
    if (isStop(error) || error instanceof ClaimLost || error instanceof RunEnds || search.keeper.best === null) throw error;
    addNote(run, `The search ended early: ${describeError(error)}`);
  }
}

async function trySolution(run: RunContext, task: Task, search: Search, planned: PlannedSolution): Promise<void> {
  const { number, recipe } = planned;
  const codeKey = await storeSolutionFile(run, number, 'solution.py', await readFile(recipe.program));
  const isGenerated = recipe.origin === 'generated';
  const kind = isGenerated ? ('generated' as const) : ('recipe' as const);
  const draft = await startSolution(
    run,
    search,
    { number, title: recipe.title, kind, parents: [], codeKey },
    {
      recipe: recipe.name,
      sha256: recipe.sha256,
      params: { ...recipe.params },
    },
  );
  const skip = planned.skip ?? (isGenerated ? await refuseGenerated(run, recipe.program) : null);
  if (skip !== null) return finishFailed(run, search, draft, { failure: skip, seconds: 0, log: '' });
  const isFirstModel = ![...search.board.graded.values()].some((each) => each.kind !== 'baseline');
  const program = { number, path: recipe.program, params: recipe.params };
  const work = task.profile.kind === 'agent' ? playGames : runFolds;
  const outcome = await gradeSolution(run, search, draft, () => work(run, task, { ...program, isFirstModel }));
  if (outcome.kind === 'failed') return;
  let { graded } = outcome;
  search.programs.set(number, { ...program, isGenerated, slowestFoldS: outcome.folds.slowestFoldS });
  const wouldBeBest = !isSuspect(graded) && isImprovement(task.metric, graded, search.keeper.best?.solution ?? null);
  if (isGenerated && wouldBeBest) graded = await probeFinalist(run, task, search, graded);
  await considerBest(run, task, search, graded);
}

/** Why a generated program is not run: the sandbox does not hold, or it carries what looks like answers. */
async function refuseGenerated(run: RunContext, path: string): Promise<string | null> {
  const { generatedCode } = run.sandbox;
  if (!generatedCode.accepted) return `generated code is not run here: ${generatedCode.reason}`;
  const { reason } = await callHarness(run, 'check_program', { path });
  return reason === null ? null : `the program is refused: ${reason}`;
}

function addNote(run: RunContext, text: string): void {
  run.notes.push(text);
  run.log.warn(text);
}
