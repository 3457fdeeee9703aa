import type { Evaluation } from '../evaluate/harness-protocol.ts';
import type { Grade } from '../journal/entries.ts';
import type { RunContext } from '../context.ts';
import type { FoldsOutcome } from './run-folds.ts';
import type { GradedSolution } from './scoreboard.ts';
import type { Search, SolutionDraft } from './search.ts';
import { callHarness } from '../context.ts';
import { HarnessFailure } from '../harness-port.ts';
import { finishFailed, finishGraded } from './search.ts';

/** What came of a solution's runs. */
export type GradedOutcome =
  | { readonly kind: 'graded'; readonly graded: GradedSolution; readonly folds: FoldsOutcome }
  | { readonly kind: 'failed'; readonly failure: string; readonly log: string };

/** Lets `work` run a solution's folds, has it graded, and keeps what came of it; that it failed is kept, too. */
export async function gradeSolution(
  run: RunContext,
  search: Search,
  draft: SolutionDraft,
  work: () => Promise<FoldsOutcome>,
): Promise<GradedOutcome> {
  const startS = run.deadline.elapsedS();
  const seconds = () => run.deadline.elapsedS() - startS;
  let folds: FoldsOutcome;
  let evaluation: Evaluation;
  try {
    folds = await work();
    const { failure, log } = folds;
    if (failure !== null) {
      await finishFailed(run, search, draft, { failure, seconds: seconds(), log });
      return { kind: 'failed', failure, log };
    }
    evaluation = await run.stopwatch.measure('grade', () => callHarness(run, 'finish_solution', { solution: draft.number }));
  } catch (error) {
    // A refusal or a bug while grading one solution is that solution's failure; a harness that is gone ends the search.
    if (!(error instanceof HarnessFailure) || error.kind === 'died') throw error;
    const failure = `could not be graded: ${error.message}`;
    await finishFailed(run, search, draft, { failure, seconds: seconds(), log: '' });
    return { kind: 'failed', failure, log: '' };
  }
  const graded = await finishGraded(run, search, draft, {
    evaluation,
    seconds: seconds(),
    log: folds.log,
    weights: [],
    grades: listGrades(folds),
  });
  return { kind: 'graded', graded, folds };
}

/** What the folds scored as they came in. */
export function listGrades({ grades }: FoldsOutcome): Grade[] {
  return grades.map(({ fold, score }) => ({ fold, score }));
}
