import test from 'ava';
import type { Evidence } from '#agent/report/evidence.ts';
import type { SolutionReport } from '#core/report.ts';
import { PROFILE } from '../../_support/agent-parts.ts';
import { writeReport } from '#agent/report/html.ts';

const HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>';

function makeSolution(number: number, change: Partial<SolutionReport> = {}): SolutionReport {
  return {
    number,
    title: HOSTILE,
    kind: 'recipe',
    parents: [],
    state: 'valid',
    score: { score: 0.1 * number, low: 0.05 * number, high: 0.15 * number },
    foldScores: [],
    aggregate: 'pooled',
    checks: [{ name: HOSTILE, ok: false, detail: HOSTILE, weight: 'unverified' }],
    trust: { verdict: 'unverified', reasons: [HOSTILE] },
    seconds: 1,
    failure: null,
    codeKey: null,
    logKey: null,
    ...change,
  };
}

const evidence: Evidence = {
  schemaVersion: 1,
  job: { id: 'x', attempt: 1, competition: 'toy', title: HOSTILE },
  task: {
    kind: 'rows',
    shape: 'rows',
    shapeReason: 'no column names entities or times that the test rows differ by',
    shapeConfidence: 'certain',
    givenColumns: [],
    mediaColumns: [],
    tables: [],
    recommender: null,
    oneRowAtATime: false,
    targets: [{ name: HOSTILE, type: 'regression', classes: null }],
    trainRows: 1,
    testRows: 1,
    submission: PROFILE.submission,
    warnings: [],
  },
  metric: { id: 'rmse', direction: 'minimize', display_name: HOSTILE, source: 'overview', proxy: true, k: null },
  folds: { count: 5, hash: 'h', seed: 1 },
  best: { ...makeSolution(1), programSha256: null, weights: [] },
  submission: { sha256: 'a', bytes: 1, checks: [] },
  solutions: [makeSolution(1), makeSolution(2), makeSolution(3, { state: 'failed', score: null, failure: HOSTILE })],
  expected: { score: 0.5, low: 0.4, high: 0.6, selection: 0.01, candidates: 2 },
  leaderboard: { public: 0.5, private: null, ref: null },
  data: [],
  versions: { python: HOSTILE },
  sandbox: 'process',
  isolation: { layers: ['limits'], generatedCode: { accepted: false, reason: HOSTILE } },
  threads: 1,
  seconds: { claude: 0, train: 1, grade: 1, kaggle: 0, download: 1, cut: 1, profile: 1, store: 1, other: 1 },
  totalSeconds: 7,
  notes: [HOSTILE],
  journal: { seq: 1, hash: 'h' },
  reproduction: null,
};

test('text from a competition is never markup, and nothing is loaded from elsewhere', (t) => {
  const html = writeReport(evidence);
  t.false(/<script|<img|<link|<iframe|src=|href=|url\(|@import/i.test(html.replaceAll('&lt;script', '').replaceAll(/&lt;img src=x/g, '')));
  t.true(html.includes("default-src 'none'"));
  t.true(html.includes('&lt;script&gt;'));
});

test('the chart shows every graded solution, better up, and the best is marked', (t) => {
  const html = writeReport(evidence);
  t.is(html.match(/<circle /g)?.length, 2);
  const heights = [...html.matchAll(/<circle class="dot[^"]*" cx="[\d.]+" cy="([\d.]+)"/g)].map((match) => Number(match[1]));
  t.true((heights[0] ?? 0) < (heights[1] ?? 0), 'the lower RMSE is drawn higher');
  t.is(html.match(/<circle class="dot best"/g)?.length, 1);
});

test('with one solution there is a table but no chart', (t) => {
  const html = writeReport({ ...evidence, solutions: [makeSolution(1)] });
  t.false(html.includes('<svg'));
  t.true(html.includes('<table>'));
});

test('how far the score can be trusted stands above everything else, with its reasons', (t) => {
  t.regex(writeReport(evidence), /Unverified: look at this before you trust the score\.<\/p><ul><li>&lt;script/);
  const judged = (verdict: 'verified' | 'suspect') => {
    const solution = makeSolution(1, { trust: { verdict, reasons: ['why'] } });
    return writeReport({ ...evidence, best: { ...solution, programSha256: null, weights: [] }, solutions: [solution] });
  };
  t.regex(judged('verified'), /Verified: every check of the score passed/);
  t.regex(judged('suspect'), /Suspect: the score cannot be trusted/);
  t.regex(judged('suspect'), /suspect: why<\/span>/);
});
