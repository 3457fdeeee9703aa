import type { PlannedSolution } from './plan.ts';
import type { RunContext, Task } from '../context.ts';
import type { Recipe } from '../search/recipes.ts';
import type { Search } from '../search/search.ts';
import { isStop, throwIfStopped } from '../context.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { compareScores, findBestByScore, pairedStandardError } from '../search/scoreboard.ts';
import { explore, whyNoTurn } from './explore.ts';
import { mayStack, tryStacks } from './stack.ts';
import { trySolution } from './try-solution.ts';
import { probeMembers } from './verify.ts';
import { startVarying } from './vary.ts';

/** A run that could not even start and read its data takes about this long; less time left than that is not worth a start. */
const MIN_WORK_S = 1;
/** A recipe is left out where less than this part of what it is thought to take is left. */
const DOUBT = 0.7;

const OUTCLASSED_ERRORS = 3;
const OUTCLASSED_SHARE = 0.2;

/** Of the whole time limit, kept for stacks while settings are searched. */
const STACK_SHARE = 0.15;

/** While this part of the limit is left, Claude's turn has not begun yet, and recipes may; what is left of them waits until it is over. */
const CLAUDE_SHARE = 0.5;

/**
 * Tries the planned solutions one after the other until a stop rule holds: the plan is done, or the time that training may use is over. With a
 * key, Claude has its turn in between.
 */
export async function execute(run: RunContext, task: Task, search: Search, plan: readonly PlannedSolution[]): Promise<void> {
  run.voice.update({ stage: 'execute', solutionsPlanned: search.board.reports.size + plan.length + 1 });
  const late = whyNoTurn(run, task) === null ? await executeUntilClaude(run, task, search, plan) : plan;
  await explore(run, task, search);
  await probeMembers(run, task, search);
  let skipped = 0;
  for (const planned of late) {
    throwIfStopped(run.signal);
    await run.steering.poll();
    if (isOutclassed(run, task, search, planned.recipe)) continue;
    if (run.deadline.workS() < Math.max(MIN_WORK_S, predictS(search, planned.recipe))) {
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

/** The recipes that come before Claude's turn, at least until one of them has a score; gives those that come after it. */
async function executeUntilClaude(
  run: RunContext,
  task: Task,
  search: Search,
  plan: readonly PlannedSolution[],
): Promise<readonly PlannedSolution[]> {
  // The turn has begun in an earlier attempt: it goes on with what was known then.
  if (run.earlier.explored !== null) return plan;
  const hasModel = () => [...search.board.graded.values()].some(({ kind }) => kind !== 'baseline');
  for (const [index, planned] of plan.entries()) {
    throwIfStopped(run.signal);
    await run.steering.poll();
    if (isOutclassed(run, task, search, planned.recipe)) continue;
    const leftS = run.deadline.workS() - predictS(search, planned.recipe);
    if (leftS < MIN_WORK_S || (hasModel() && leftS < CLAUDE_SHARE * run.deadline.limitS())) return plan.slice(index);
    await trySolution(run, task, search, planned);
  }
  return [];
}

/**
 * Whether the same program, with other parameters, is so far behind the best that more effort would not make up for it: beyond noise, and by a good part
 * of what the best gained on the constant.
 */
function isOutclassed(run: RunContext, { metric }: Task, { board, programs }: Search, recipe: Recipe): boolean {
  const best = findBestByScore(board, metric, ['recipe', 'generated']);
  const like = [...programs.values()]
    .filter(({ path }) => path === recipe.program)
    .flatMap(({ number }) => board.graded.get(number) ?? [])
    .toSorted((left, right) => compareScores(metric, right.score, left.score))[0];
  if (best === null || like === undefined) return false;
  const gained = Math.abs(best.score - (board.graded.get(0)?.score ?? best.score));
  const margin = Math.max(OUTCLASSED_ERRORS * pairedStandardError(best.foldScores, like.foldScores), OUTCLASSED_SHARE * gained);
  if (!(compareScores(metric, best.score, like.score) > margin)) return false;
  run.log.info(`${recipe.title} is left out: ${like.title} is far behind ${best.title}`);
  return true;
}

/** Seconds that a recipe takes by what one like it took, less a part for doubt; 0 = nobody knows. */
function predictS(search: Search, { costLike }: Recipe): number {
  const like = costLike && search.recipeSeconds.get(costLike.recipe);
  return like === undefined || costLike === undefined ? 0 : DOUBT * costLike.times * like;
}

/** As `execute`, but what breaks it off does not take the job's valid file away: the search ends early, and says so. */
export async function executeSafely(run: RunContext, task: Task, search: Search, plan: readonly PlannedSolution[]): Promise<void> {
  try {
    await execute(run, task, search, plan);
    const vary = startVarying(run, task, search);
    await vary(mayStack(run, task, search) ? STACK_SHARE : 0);
    await tryStacks(run, task, search);
    await vary(0);
  } catch (error) {
    if (isStop(error) || error instanceof ClaimLost || error instanceof RunEnds || search.keeper.best === null) throw error;
    addNote(run, `The search ended early: ${describeError(error)}`);
  }
}

function addNote(run: RunContext, text: string): void {
  run.notes.push(text);
  run.log.warn(text);
}
