import type { RunContext, Task } from '../context.ts';
import type { Grade } from '../journal/entries.ts';
import type { Recipe } from '../search/recipes.ts';
import type { Search } from '../search/search.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import { throwIfStopped } from '../context.ts';
import { chooseRecipes, SETTING } from '../search/recipes.ts';
import { compareScores, isMember } from '../search/scoreboard.ts';
import { nextNumber } from '../search/search.ts';
import { drawSetting } from '../search/settings.ts';
import type { Space } from '../search/settings.ts';
import { trySolution } from './try-solution.ts';
import { whySkipped } from './plan.ts';

const MOST_SETTINGS = 30;
/** Settings in a row of which none scored better than all before: then others are not likely to. */
const STOP_AFTER = 8;
/** The recipes around which is searched: the best of as many programs. */
const MOST_BASES = 2;
/** A setting whose first fold scores worse than its recipe's by more than this part of the score is given up: its other folds would not make up for it. */
const SLACK = 0.01;
/** How much longer a run may take than the slowest of its recipe's. */
const PATIENCE = 3;

/** A recipe that was measured, whose settings may be searched. */
interface Base {
  readonly recipe: Recipe;
  readonly space: Space;
  readonly graded: GradedSolution;
  readonly grades: readonly Grade[];
}

/** Tries settings until only this share of the whole time limit is left for what comes after; called again, it goes on where it stopped. */
export type VaryRecipes = (keptShare: number) => Promise<void>;

/**
 * While there is time, and some setting in eight is better than all before: random settings of the best recipes, in turn. Each is a solution of its
 * own; the blend takes what helps. One that begins worse than its recipe is given up after its first folds.
 */
export function startVarying(run: RunContext, task: Task, search: Search): VaryRecipes {
  let bases: readonly Base[] | null = null;
  let best = 0;
  let index = 0;
  let tried = 0;
  let fruitless = 0;
  return async (keptShare) => {
    if (task.profile.kind !== 'rows') return;
    if (bases === null) {
      bases = chooseBases(run, task, search);
      best = bases[0]?.graded.score ?? 0;
    }
    while (tried < MOST_SETTINGS && fruitless < STOP_AFTER) {
      throwIfStopped(run.signal);
      // A person who asks it to finish leaves no time.
      await run.steering.poll();
      const leftS = run.deadline.workS() - keptShare * run.deadline.limitS();
      const fits = ({ graded }: Base) => leftS > 0 && graded.report.seconds <= leftS;
      if (!bases.some(fits)) return;
      const base = bases[index % bases.length];
      index += 1;
      if (base === undefined || !fits(base)) continue;
      const score = await trySetting(run, task, search, base, index);
      const isBetter = score !== null && compareScores(task.metric, score, best) > 0;
      tried += 1;
      fruitless = isBetter ? 0 : fruitless + 1;
      if (isBetter) best = score;
    }
  };
}

/** The best recipes with parameters to search, each of another program, best first. */
function chooseBases(run: RunContext, task: Task, search: Search): Base[] {
  const bases: Base[] = [];
  for (const recipe of chooseRecipes(run.recipes, task.profile)) {
    const { space } = recipe;
    const measured = [...search.programs.values()].find(({ path, params }) => path === recipe.program && params === recipe.params);
    const graded = measured && search.board.graded.get(measured.number);
    if (space === undefined || graded === undefined || !isMember(graded)) continue;
    bases.push({ recipe, space, graded, grades: measured?.grades ?? [] });
  }
  const ranked = bases.toSorted((left, right) => compareScores(task.metric, right.graded.score, left.graded.score));
  return ranked.filter(({ recipe }, at) => ranked.findIndex((each) => each.recipe.program === recipe.program) === at).slice(0, MOST_BASES);
}

/** Tries a setting, unless an earlier attempt did: its score, or null. */
async function trySetting(
  run: RunContext,
  task: Task,
  search: Search,
  { recipe, space, graded, grades }: Base,
  index: number,
): Promise<number | null> {
  const name = `${recipe.name}${SETTING}${index}`;
  const number = [...run.earlier.started.values()].find(({ program }) => program?.recipe === name)?.number ?? nextNumber(run, search);
  const scoreOf = () => search.board.graded.get(number)?.score ?? null;
  if (search.board.reports.has(number)) return scoreOf();
  const params = { ...recipe.params, ...drawSetting(space, `${task.seed} ${name}`) };
  const race = (grade: Grade): string | null => {
    const before = grades.find(({ fold }) => fold === grade.fold)?.score ?? null;
    if (before === null || grade.score === null) return null;
    const lost = compareScores(task.metric, before, grade.score);
    return lost > SLACK * Math.abs(before)
      ? `given up: fold ${grade.fold} scores ${grade.score.toPrecision(5)}, not ${before.toPrecision(5)}`
      : null;
  };
  const varied: Recipe = { ...recipe, name, title: `${recipe.title}, setting ${index}`, params };
  const mostRunS = PATIENCE * (search.programs.get(graded.number)?.slowestFoldS ?? Infinity);
  await trySolution(run, task, search, { number, recipe: varied, skip: whySkipped(run.earlier, number) }, { race, mostRunS });
  return scoreOf();
}
