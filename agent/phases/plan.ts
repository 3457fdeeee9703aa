import type { RunContext, Task } from '../context.ts';
import type { Recipe } from '../search/recipes.ts';
import type { Scoreboard } from '../search/scoreboard.ts';
import type { JournalState } from '../journal/replay.ts';
import { chooseRecipes } from '../search/recipes.ts';

/** One solution to be tried. Its number is fixed before it runs; an unfinished one of an earlier attempt keeps its own. */
export interface PlannedSolution {
  readonly number: number;
  readonly recipe: Recipe;
  /** Why it is not run, or null. */
  readonly skip: string | null;
}

const MAX_DEATHS = 2;

/** The solutions that are still to be tried, cheapest first. What earlier attempts finished is not planned again. */
export function planSolutions(run: Pick<RunContext, 'recipes' | 'earlier'>, task: Task, board: Scoreboard): PlannedSolution[] {
  const { earlier } = run;
  let nextNumber = Math.max(earlier.nextNumber, 1);
  const planned: PlannedSolution[] = [];
  for (const recipe of chooseRecipes(run.recipes, task.profile)) {
    const number = findNumber(earlier, recipe) ?? recipe.number ?? nextNumber++;
    if (board.reports.has(number)) continue;
    const deaths = earlier.deaths.get(number) ?? 0;
    planned.push({ number, recipe, skip: deaths >= MAX_DEATHS ? `${deaths} attempts ended while it ran: it is not run again` : null });
  }
  return planned;
}

function findNumber(earlier: JournalState, recipe: Recipe): number | null {
  for (const started of earlier.started.values()) {
    if (started.program?.recipe === recipe.name && started.program.sha256 === recipe.sha256) return started.number;
  }
  return null;
}
