import type { GradedSolution } from '../search/scoreboard.ts';
import type { RunContext, Task } from '../context.ts';
import type { Search } from '../search/search.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { compareScores, isProbed, isSuspect, lacksProbes, pairedStandardError } from '../search/scoreboard.ts';
import { HarnessFailure } from '../harness-port.ts';
import { considerBest, demoteBest, reviseGraded } from '../search/search.ts';
import { runProbes } from '../search/probe.ts';

/** So many generated programs are probed for the blend's sake, the best first. */
const MOST_MEMBERS = 3;
const SHARE_BEHIND = 0.1;

/**
 * Probes a finalist's program and keeps what came of it. Without time for it, or when the harness fails at it, the solution stays as it
 * was: a generated one is then neither the best nor part of a blend.
 */
export async function probeFinalist(run: RunContext, task: Task, search: Search, graded: GradedSolution): Promise<GradedSolution> {
  const program = search.programs.get(graded.number);
  if (program === undefined) return graded;
  run.voice.update({ message: `solution ${graded.number}: looking whether its score holds` });
  try {
    const evaluation = await runProbes(run, task, program);
    if (evaluation !== null) return await reviseGraded(run, search, graded, evaluation);
    if (program.isGenerated) addNote(run, `Solution ${graded.number} was not probed, for lack of time: it can't be the best.`);
  } catch (error) {
    if (!(error instanceof HarnessFailure) || error.kind === 'died') throw error;
    addNote(run, `Solution ${graded.number} could not be probed: ${error.message}`);
  }
  return graded;
}

/**
 * Before the blend: the best built-in program, and generated ones that would be part of it. A best that fails gives its place to the next.
 * What goes wrong here takes no valid file away: it becomes a note.
 */
export async function verifyFinalists(run: RunContext, task: Task, search: Search): Promise<void> {
  try {
    await verify(run, task, search);
  } catch (error) {
    if (error instanceof RunEnds || error instanceof ClaimLost) throw error;
    addNote(run, `The finalists could not be run once more: ${describeError(error)}`);
  }
}

async function verify(run: RunContext, task: Task, search: Search): Promise<void> {
  const recipe = rankTrusted(task, search).find(({ kind }) => kind === 'recipe');
  if (recipe !== undefined && !isProbed(recipe)) await probeFinalist(run, task, search, recipe);
  const best = search.keeper.best?.solution;
  const now = best === undefined ? undefined : search.board.graded.get(best.number);
  if (now !== undefined && isSuspect(now)) await demoteBest(run, task, search);
  await probeMembers(run, task, search);
}

/**
 * Probes the generated programs that a blend would be made of and considers them; what is not probed is of no use. After Claude's turn, while
 * there is time, and once more before the blend.
 */
export async function probeMembers(run: RunContext, task: Task, search: Search): Promise<void> {
  const byScore = rankTrusted(task, search);
  const near = byScore.filter((graded) => lacksProbes(graded) && isNearBest(task, search, graded, byScore[0] ?? graded));
  for (const graded of near.slice(0, MOST_MEMBERS)) {
    const probed = await probeFinalist(run, task, search, graded);
    if (!isSuspect(probed) && !lacksProbes(probed)) await considerBest(run, task, search, probed);
  }
}

/** Programs that nothing speaks against, the best first. */
function rankTrusted({ metric }: Task, { board }: Search): GradedSolution[] {
  return [...board.graded.values()]
    .filter((graded) => (graded.kind === 'recipe' || graded.kind === 'generated') && !isSuspect(graded))
    .toSorted((left, right) => compareScores(metric, right.score, left.score));
}

/** One that is far behind would only harm a blend: by more than its noise, and a tenth of what the best gained on the constant. */
function isNearBest({ metric }: Task, { board }: Search, graded: GradedSolution, best: GradedSolution): boolean {
  const behind = compareScores(metric, best.score, graded.score);
  const gained = Math.abs(best.score - (board.graded.get(0)?.score ?? best.score));
  return behind <= Math.max(2 * pairedStandardError(best.foldScores, graded.foldScores), SHARE_BEHIND * gained);
}

/** Once, however often it is looked at. */
function addNote(run: RunContext, text: string): void {
  if (run.notes.includes(text.slice(0, 500))) return;
  run.notes.push(text.slice(0, 500));
  run.log.warn(text);
}
