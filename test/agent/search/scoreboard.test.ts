import test from 'ava';
import type { GradedSolution } from '#agent/search/scoreboard.ts';
import type { SolutionReport } from '#core/report.ts';
import { createScoreboard, findBestByScore, isImprovement, isSuspect, isTieOfFew, pairedStandardError } from '#agent/search/scoreboard.ts';

function solution(kind: SolutionReport['kind'], foldScores: number[]): GradedSolution {
  const score = foldScores.reduce((sum, value) => sum + value, 0) / foldScores.length;
  const report: SolutionReport = {
    number: 1,
    title: '',
    kind,
    parents: [],
    state: 'valid',
    score: { score, low: score, high: score },
    foldScores,
    aggregate: null,
    checks: [],
    trust: null,
    seconds: 0,
    failure: null,
    codeKey: null,
    logKey: null,
  };
  return { number: 1, kind, title: '', score, foldScores, isRaw: true, report };
}
const up = { direction: 'maximize' as const };
const down = { direction: 'minimize' as const };

test('the first valid solution is the best', (t) => {
  t.true(isImprovement(up, solution('baseline', [0.5]), null));
});

test('a constant gives way to any model that scores better, in the metric’s own direction', (t) => {
  const constant = solution('baseline', [0.5, 0.5, 0.5]);
  t.true(isImprovement(up, solution('recipe', [0.4, 0.6, 0.6]), constant));
  t.false(isImprovement(down, solution('recipe', [0.4, 0.6, 0.6]), constant));
  t.false(isImprovement(up, solution('recipe', [0.5, 0.5, 0.5]), constant));
});

test('between models a gain counts only beyond its paired noise', (t) => {
  const best = solution('recipe', [0.7, 0.8, 0.9]);
  t.true(isImprovement(up, solution('recipe', [0.71, 0.81, 0.91]), best), 'small but the same in each fold');
  t.false(isImprovement(up, solution('recipe', [0.9, 0.7, 0.86]), best), 'larger but noise');
});

test('a blend’s nested score needs no more than to be better', (t) => {
  const best = solution('recipe', [0.7, 0.8, 0.9]);
  t.true(isImprovement(up, solution('blend', [0.9, 0.7, 0.86]), best));
  t.false(isImprovement(up, solution('blend', [0.7, 0.8, 0.89]), best));
});

test('with few rows a blend takes the place of a model that it cannot be told from; with many it must be better', (t) => {
  const best = solution('recipe', [0.7, 0.8, 0.9]);
  const alike = solution('blend', [0.9, 0.7, 0.78]);
  const worse = solution('blend', [0.69, 0.79, 0.89]);
  t.true(isTieOfFew(up, 9_999, alike, best));
  t.false(isTieOfFew(up, 10_000, alike, best));
  t.false(isTieOfFew(up, 9_999, worse, best), 'worse by a little, but in each fold');
  t.false(isTieOfFew(up, 9_999, solution('recipe', [0.9, 0.7, 0.78]), best));
  t.false(isTieOfFew(up, 9_999, alike, solution('baseline', [0.7, 0.8, 0.9])));
});

test('the fewer folds there are, the less they can tell', (t) => {
  // The blend is 2.5 standard errors worse, each time.
  const differ = (folds: number) => Array.from({ length: folds }, (_, fold) => (fold % 2 === 0 ? 1 : -1));
  const apart = (folds: number) => {
    const best = solution(
      'recipe',
      differ(folds).map(() => 0.5),
    );
    const unit = pairedStandardError(differ(folds), best.foldScores);
    const mean = differ(folds).reduce((sum, value) => sum + value, 0) / folds;
    return isTieOfFew(
      up,
      5_000,
      solution(
        'blend',
        differ(folds).map((value) => 0.5 + 0.01 * (value - mean - 2.5 * unit)),
      ),
      best,
    );
  };
  t.true(apart(5));
  t.false(apart(10));
});

test('scores that are no numbers never win', (t) => {
  t.false(isImprovement(up, solution('recipe', [Number.NaN]), solution('baseline', [0.5])));
});

test('the paired error is that of the mean difference', (t) => {
  t.is(pairedStandardError([1, 2, 3], [0, 1, 2]), 0);
  t.true(Math.abs(pairedStandardError([1, 2], [0, 0]) - 0.5) < 1e-12);
  t.is(pairedStandardError([1], [1, 2]), 0);
});

test('a suspect solution is not chosen by its score, nor a generated one without probes; an unverified one is', (t) => {
  const judged = (number: number, score: number, verdict: 'verified' | 'unverified' | 'suspect', probed = true) => {
    const plain = solution('generated', [score]);
    const names = ['holds with other ids and another seed', 'learns what it is given'];
    const checks = probed ? names.map((name) => ({ name, ok: true, weight: 'suspect' as const, detail: '' })) : [];
    return { ...plain, number, report: { ...plain.report, number, checks, trust: { verdict, reasons: [] } } };
  };
  const board = createScoreboard();
  for (const each of [
    judged(1, 0.7, 'verified'),
    judged(2, 0.8, 'unverified'),
    judged(3, 0.99, 'suspect'),
    judged(4, 0.95, 'verified', false),
  ])
    board.graded.set(each.number, each);
  const metric = { id: 'auc', direction: 'maximize', display_name: 'AUC', source: 'api', proxy: false, k: null } as const;
  t.is(findBestByScore(board, metric, ['generated'])?.number, 2);
  t.deepEqual([...board.graded.values()].map(isSuspect), [false, false, true, false]);
});
