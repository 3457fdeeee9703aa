import type { RunContext, Task } from '../context.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import { isMember } from '../search/scoreboard.ts';
import type { Search } from '../search/search.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { callHarness } from '../context.ts';
import { nameFamily } from '../search/family.ts';
import { considerBest, finishGraded, numberOf, startSolution } from '../search/search.ts';

/** Blends what was graded; the blend is one more solution, with several parents, and best only if its nested score is better. */
export async function blendSolutions(run: RunContext, task: Task, search: Search): Promise<void> {
  // Answers that are texts have no mean.
  if (task.profile.submission.form === 'answer') return;
  const members = [...search.board.graded.values()].filter((solution) => isMember(solution));
  if (members.length < 2 || run.deadline.remainingS() < 2) return;
  run.voice.update({ message: `blending ${members.length} solutions` });
  try {
    await blend(run, task, search, members);
  } catch (error) {
    if (error instanceof RunEnds || error instanceof ClaimLost) throw error;
    const note = `The solutions could not be blended: ${describeError(error)}`;
    run.notes.push(note);
    run.log.warn(note);
  }
}

async function blend(run: RunContext, task: Task, search: Search, members: readonly GradedSolution[]): Promise<void> {
  const parents = members.map((member) => member.number);
  const number = numberOf(run, search, { kind: 'blend', parents, recipe: null });
  const families = members.map((member) => nameFamily(search, member));
  const startS = run.deadline.elapsedS();
  const reply = await run.stopwatch.measure('grade', () => callHarness(run, 'blend', { solution: number, members: parents, families }));
  const weights = reply.weights.filter((weight) => weight.weight > 0);
  const title = `Blend of ${weights.length} solutions`;
  const draft = await startSolution(run, search, { number, title, kind: 'blend', parents, codeKey: null }, null);
  const seconds = run.deadline.elapsedS() - startS;
  const graded = await finishGraded(run, search, draft, { evaluation: reply.evaluation, seconds, log: '', weights });
  search.weights = weights;
  await considerBest(run, task, search, graded);
}
