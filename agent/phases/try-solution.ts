import { readFile } from 'node:fs/promises';
import type { RunContext, Task } from '../context.ts';
import type { Program } from '../search/run-folds.ts';
import type { Search } from '../search/search.ts';
import type { PlannedSolution } from './plan.ts';
import { callHarness } from '../context.ts';
import { gradeSolution, listGrades } from '../search/grade-solution.ts';
import { storeSolutionFile } from '../search/keep.ts';
import { playGames } from '../search/play-games.ts';
import { runFolds } from '../search/run-folds.ts';
import { isImprovement, isSuspect } from '../search/scoreboard.ts';
import { considerBest, finishFailed, nextNumber, startSolution } from '../search/search.ts';
import { probeFinalist } from './verify.ts';

/** Runs, grades and considers a planned solution. `limits`: what ends it before its folds do. */
export async function trySolution(
  run: RunContext,
  task: Task,
  search: Search,
  planned: PlannedSolution,
  limits: Pick<Program, 'race' | 'mostRunS'> = {},
): Promise<void> {
  const { recipe } = planned;
  const number = planned.number ?? nextNumber(run, search);
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
  const outcome = await gradeSolution(run, search, draft, () => work(run, task, { ...program, ...limits, isFirstModel }));
  if (outcome.kind === 'failed') return;
  let { graded } = outcome;
  search.recipeSeconds.set(recipe.name, graded.report.seconds);
  search.programs.set(number, { ...program, isGenerated, slowestFoldS: outcome.folds.slowestFoldS, grades: listGrades(outcome.folds) });
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
