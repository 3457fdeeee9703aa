import test from 'ava';
import type { SolutionReport } from '#core/report.ts';
import { describeSolved } from '../../cli/solution-table.ts';
import type { SolvedEvidence } from '../../cli/solution-table.ts';

function solution(number: number, title: string, score: number | null, change: Partial<SolutionReport> = {}): SolutionReport {
  return {
    number,
    title,
    kind: 'recipe',
    parents: [],
    state: score === null ? 'failed' : 'valid',
    score: score === null ? null : { score, low: score - 0.01, high: score + 0.01 },
    foldScores: [],
    aggregate: null,
    checks: [],
    trust: score === null ? null : { verdict: 'verified', reasons: [] },
    seconds: 12,
    failure: null,
    codeKey: null,
    logKey: null,
    ...change,
  };
}

const EVIDENCE: SolvedEvidence = {
  metric: { id: 'auc', direction: 'maximize' },
  best: {
    number: 5,
    weights: [
      { solution: 1, weight: 0.25 },
      { solution: 2, weight: 0.75 },
    ],
  },
  expected: { score: 0.852, low: 0.83, high: 0.87 },
  solutions: [
    solution(0, 'Constant', 0.5),
    solution(1, 'Linear', 0.84),
    solution(2, 'Boosting', 0.85),
    solution(3, 'Slow', null, { failure: 'does not fit: needs about 50 s more, 9 s are left' }),
    solution(4, 'Boosting, setting 1', null, { failure: 'given up: fold 0 scores 0.81, not 0.85' }),
    solution(5, 'Blend of 2 solutions', 0.855, { kind: 'blend' }),
  ],
  notes: [],
  spend: { usd: 0 },
};

test('solve ends with its models, best first, what the file is made of, the score to expect, and what would help next', (t) => {
  const text = describeSolved(EVIDENCE);
  const lines = text.split('\n');
  t.regex(lines[0] ?? '', /solution +auc +± +in the blend +took +checks/);
  t.regex(text, /^\* {2}Blend of 2 solutions +0\.855 +0\.01/m);
  t.true(text.indexOf('Boosting ') < text.indexOf('Linear') && text.indexOf('Linear') < text.indexOf('Constant'));
  t.regex(text, /Boosting +0\.85 +0\.01 +75 % +12s +verified/);
  t.regex(text, /Slow .*does not fit: needs about 50 s more/);
  t.notRegex(text, /setting 1/);
  t.regex(text, /^1 further settings began worse than their recipe and were given up\.$/m);
  t.regex(text, /^On the leaderboard expect 0\.852 \(95 %: 0\.83 to 0\.87\)\.$/m);
  t.regex(text, /more time: some models did not fit/);
  t.regex(text, /a key for Claude/);
});

test('with an unverified score it says where to look; with nothing missing it gives no advice', (t) => {
  const solutions = [solution(1, 'Linear', 0.84, { trust: { verdict: 'unverified', reasons: ['x'] } })];
  const doubted = describeSolved({ ...EVIDENCE, best: { number: 1, weights: [] }, solutions, expected: null, spend: { usd: 1 } });
  t.regex(doubted, /a look at the checks in report\.html/);
  const fine = describeSolved({
    ...EVIDENCE,
    best: { number: 1, weights: [] },
    solutions: [solution(1, 'Linear', 0.84)],
    spend: { usd: 1 },
  });
  t.notRegex(fine, /What would help next/);
});
