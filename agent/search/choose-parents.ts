import type { RunContext, Task } from '../context.ts';
import type { GradedSolution } from './scoreboard.ts';
import type { Search } from './search.ts';
import { callHarness } from '../context.ts';
import { HarnessFailure } from '../harness-port.ts';
import { readProgram } from './program-files.ts';
import { compareScores, isMember, isSuspect } from './scoreboard.ts';

/** A program that another is made from, with its text. */
export interface Parent {
  readonly graded: GradedSolution;
  readonly code: string;
}

/**
 * Claude's programs with raw scores that nothing speaks against, best first. Only those that would be the best were probed; what is made of
 * others is probed itself before it can be the best.
 */
export function listPrograms(task: Task, search: Search, hidden: ReadonlySet<number>): GradedSolution[] {
  return [...search.board.graded.values()]
    .filter((graded) => graded.kind === 'generated' && graded.isRaw && !isSuspect(graded) && !hidden.has(graded.number))
    .toSorted((left, right) => compareScores(task.metric, right.score, left.score));
}

/** The best one that may be part of a blend; null where there is none. */
export async function chooseParent(run: RunContext, task: Task, search: Search, hidden: ReadonlySet<number>): Promise<Parent | null> {
  return readFirst(
    run,
    listPrograms(task, search, hidden).filter((graded) => isMember(graded)),
  );
}

/** The best one and the one that answers least like it; null where there are no two. */
export async function choosePair(
  run: RunContext,
  task: Task,
  search: Search,
  hidden: ReadonlySet<number>,
): Promise<[Parent, Parent] | null> {
  const programs = listPrograms(task, search, hidden);
  const best = await readFirst(run, programs);
  if (best === null) return null;
  const others = programs.filter(({ number }) => number !== best.graded.number);
  const likeness = await measureLikeness(run, best.graded, others);
  const other = await readFirst(
    run,
    others.toSorted((left, right) => (likeness.get(left.number) ?? 1) - (likeness.get(right.number) ?? 1)),
  );
  return other === null ? null : [best, other];
}

/** How alike the others answer rows that they were not trained on; without those of which nobody can tell. */
export async function measureLikeness(
  run: RunContext,
  { number: solution }: GradedSolution,
  others: readonly GradedSolution[],
): Promise<Map<number, number>> {
  if (others.length === 0) return new Map();
  try {
    const params = { solution, others: others.map(({ number }) => number) };
    const { correlations } = await run.stopwatch.measure('grade', () => callHarness(run, 'correlate', params));
    return new Map(correlations.flatMap(({ solution: other, value }) => (value === null ? [] : [[other, value] as const])));
  } catch (error) {
    if (!(error instanceof HarnessFailure) || error.kind === 'died') throw error;
    run.log.warn(`how alike solutions are cannot be told: ${error.message}`);
    return new Map();
  }
}

async function readFirst(run: RunContext, byOrder: readonly GradedSolution[]): Promise<Parent | null> {
  for (const graded of byOrder) {
    const code = await readProgram(run, graded.report);
    if (code !== null) return { graded, code: Buffer.from(code).toString('utf8') };
  }
  return null;
}
