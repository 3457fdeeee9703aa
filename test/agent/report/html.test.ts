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
  todos: [
    { kind: 'draft', title: HOSTILE, hypothesis: HOSTILE, origin: 'planner', end: { how: 'failed', why: HOSTILE, solution: null } },
    { kind: 'improve', title: 'mine', hypothesis: '', origin: 'person', end: { how: 'helped', why: '', solution: 2 } },
    { kind: 'improve', title: 'later', hypothesis: '', origin: 'ablation', end: null },
  ],
  lessons: [{ id: 'a', claim: HOSTILE, scope: 'tables', helped: 1, tried: 2 }],
  blocks: [{ solution: 2, effects: [{ block: 'dates', gains: [0.5, 0.7], failure: null }] }],
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
  spend: { usd: 0, budgetUsd: 0 },
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

test('what Claude wanted to try is told with what came of it, and is not there where nobody was asked', (t) => {
  const html = writeReport(evidence);
  t.regex(html, /mine <span class="soft">improve, wanted by you<\/span>.*>helped \(#2\)</);
  t.regex(html, /later .*by ablation.*not tried: the search ended before/);
  t.regex(html, /\(for: tables; helped in 1 of 2 later jobs\)/);
  t.regex(html, /Blocks of #2.*&quot;dates&quot;: worth 0\.6 a fold \(noise 0\.1, 2 folds\)/);
  t.false(writeReport({ ...evidence, todos: [], blocks: [], lessons: [] }).includes('wanted to try'));
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

test('each solution tells what it came from, what it gained, and what its program claimed', (t) => {
  const score = (value: number) => ({ score: value, low: value - 0.1, high: value + 0.1 });
  const claim = { name: 'claimed like measured', ok: false, detail: 'the program claimed 0.001; measured: 0.4', weight: 'note' } as const;
  const solutions = [
    makeSolution(0, { kind: 'baseline', title: 'constant', score: score(2), trust: null }),
    makeSolution(1, { title: 'first', score: score(1), foldScores: [0.9, 1.1], trust: null }),
    makeSolution(2, {
      title: 'second',
      kind: 'generated',
      parents: [1],
      score: score(0.4),
      foldScores: [0.3, 0.5],
      checks: [claim],
      trust: null,
    }),
    makeSolution(3, { title: 'third', kind: 'blend', parents: [1, 2], score: score(0.5), foldScores: [0.45, 0.55], trust: null }),
    makeSolution(4, { title: 'fourth', state: 'failed', score: null, failure: 'it broke', trust: null }),
  ];
  const html = writeReport({ ...evidence, solutions, spend: { usd: 0.25, budgetUsd: 2 } });
  const row = (title: string) => /<tr[^>]*>(?:(?!<tr).)*/g[Symbol.match](html)?.find((line) => line.includes(title)) ?? '';
  t.regex(row('second'), /by Claude, from #1.*>\+0\.6</);
  t.regex(row('second'), />0\.001</);
  t.regex(row('third'), /of #1, #2.*>-0\.1 ± 0\.05</);
  t.regex(row('first'), /<td class="n"><\/td>/, 'a gain on a constant says nothing');
  t.regex(row('fourth'), /it broke/);
  t.regex(html, /\$0\.25<\/div><div class="soft">of \$2</);
});
