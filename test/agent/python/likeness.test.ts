import test from 'ava';
import { gradeFolds, openCut } from './_grading.ts';
import type { Scorer } from './_grading.ts';
import { binaryCompetition } from './_harness.ts';

test('solutions are alike as far as their answers for rows that they never learned from go together', async (t) => {
  const opened = await openCut(t, binaryCompetition(), 'auc');
  const byX = (row: Record<string, string>) => Number(row['x']) / 20 + 0.2;
  const scorers: Scorer[] = [byX, (row) => 0.9 * byX(row), (row) => 1 - byX(row), () => 0.5];
  for (const [index, scorer] of scorers.entries()) {
    await gradeFolds(t, opened, index + 1, scorer);
    await opened.harness.finishSolution({ solution: index + 1 });
  }
  const { correlations } = await opened.harness.correlate({ solution: 1, others: [2, 3, 4] });
  t.deepEqual(
    correlations.map(({ solution, value }) => [solution, value === null ? null : Math.round(value * 1e6) / 1e6]),
    [
      [2, 1],
      [3, -1],
      [4, null],
    ],
  );
  await t.throwsAsync(opened.harness.correlate({ solution: 1, others: [9] }), { message: /solution 9/ });
});
