import type { Expected } from '../evaluate/harness-protocol.ts';
import type { RunContext } from '../context.ts';
import type { Search } from '../search/search.ts';
import { callHarness } from '../context.ts';
import { formatScore } from '../search/keep.ts';
import { isSuspect, lacksProbes } from '../search/scoreboard.ts';
import { HarnessFailure } from '../harness-port.ts';

const LEAST_SECONDS = 3;

/** What the leaderboard should say of the best solution; null for constants, without time, or when it can't be told. Never ends the run. */
export async function expectScore(run: RunContext, search: Search): Promise<Expected | null> {
  const best = search.keeper.best?.solution;
  if (best === undefined || best.kind === 'baseline' || run.deadline.remainingS() < LEAST_SECONDS) return null;
  const candidates = [...search.board.graded.values()].filter((each) => each.kind !== 'baseline' && !isSuspect(each) && !lacksProbes(each));
  const params = { solution: best.number, candidates: candidates.map(({ number }) => number) };
  try {
    const { expected } = await run.stopwatch.measure('grade', () => callHarness(run, 'expect_score', params));
    return expected;
  } catch (error) {
    // Only a number for people to compare: the result is whole without it.
    if (!(error instanceof HarnessFailure)) throw error;
    run.log.warn(`the score to expect cannot be told: ${error.message}`);
    return null;
  }
}

/** Says so when the leaderboard contradicts what was expected: somebody should look why. */
export function compareWithLeaderboard(
  expected: Expected | null,
  scores: { readonly public: number | null; readonly private: number | null },
): string[] {
  if (expected === null) return [];
  const range = `${formatScore(expected.low)} to ${formatScore(expected.high)}`;
  return (['public', 'private'] as const).flatMap((part) => {
    const score = scores[part];
    const isInside = score === null || (score >= expected.low && score <= expected.high);
    return isInside ? [] : [`The ${part} score ${formatScore(score)} is outside what was expected, ${range}.`];
  });
}
