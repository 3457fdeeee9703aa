import type { RunContext, Task } from '../context.ts';
import type { Recipe } from '../search/recipes.ts';
import type { Scoreboard } from '../search/scoreboard.ts';
import type { JournalState } from '../journal/replay.ts';
import { chooseRecipes } from '../search/recipes.ts';

/** One solution to be tried. */
export interface PlannedSolution {
  /** An unfinished one of an earlier attempt keeps its own; null = the next one when it begins. */
  readonly number: number | null;
  readonly recipe: Recipe;
  /** Why it is not run, or null. */
  readonly skip: string | null;
}

const MAX_DEATHS = 2;

/** Why a solution is not run once more: attempts keep ending while it runs. */
export function whySkipped({ deaths }: Pick<JournalState, 'deaths'>, number: number): string | null {
  const count = deaths.get(number) ?? 0;
  return count >= MAX_DEATHS ? `${count} attempts ended while it ran: it is not run again` : null;
}

/** The solutions that are still to be tried, cheapest first. What earlier attempts finished is not planned again. */
export function planSolutions(run: Pick<RunContext, 'recipes' | 'earlier'>, task: Task, board: Scoreboard): PlannedSolution[] {
  const { earlier } = run;
  const planned: PlannedSolution[] = [];
  for (const recipe of chooseRecipes(run.recipes, task.profile)) {
    const number = findNumber(earlier, recipe) ?? recipe.number ?? null;
    if (number !== null && board.reports.has(number)) continue;
    planned.push({ number, recipe, skip: number === null ? null : whySkipped(earlier, number) });
  }
  return planned;
}

function findNumber(earlier: JournalState, recipe: Recipe): number | null {
  for (const started of earlier.started.values()) {
    if (started.program?.recipe === recipe.name && started.program.sha256 === recipe.sha256) return started.number;
  }
  return null;
}
