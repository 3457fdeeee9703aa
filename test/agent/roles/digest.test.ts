import test from 'ava';
import type { GradedSolution, Scoreboard } from '#agent/search/scoreboard.ts';
import type { SolutionReport } from '#core/report.ts';
import { createScoreboard } from '#agent/search/scoreboard.ts';
import { writeDigest } from '#agent/roles/digest.ts';

const METRIC = { id: 'rmse', direction: 'minimize', display_name: 'RMSE', source: 'api', proxy: false, k: null } as const;

function add(board: Scoreboard, number: number, change: Partial<SolutionReport> & { readonly value?: number }): void {
  const { value = 10 - number / 100, ...rest } = change;
  const report: SolutionReport = {
    number,
    title: `title ${number} ${'x'.repeat(60)}`,
    kind: 'generated',
    parents: [],
    state: 'valid',
    score: { score: value, low: value, high: value },
    foldScores: [value, value + 0.1, value - 0.1],
    aggregate: 'mean-of-folds',
    checks: [],
    trust: null,
    seconds: 1,
    failure: null,
    codeKey: null,
    logKey: null,
    ...rest,
  };
  board.reports.set(number, report);
  const { kind, title, foldScores } = report;
  const graded: GradedSolution = { number, kind, title, score: value, foldScores, isRaw: true, report };
  if (report.state === 'valid') board.graded.set(number, graded);
}

test('two hundred solutions stay under the length, with the lineage of the best and the failures first', (t) => {
  const board = createScoreboard();
  for (let number = 1; number <= 200; number += 1) {
    if (number % 20 === 0) add(board, number, { state: 'failed', failure: `fault ${number}`, score: null });
    else add(board, number, {});
  }
  add(board, 201, { parents: [7], value: 1 });
  add(board, 7, { parents: [3], value: 5 });
  const digest = writeDigest(board, METRIC);
  t.true(digest.length < 6_200, `${digest.length}`);
  const lines = digest.split('\n');
  t.deepEqual(
    lines.slice(0, 3).map((line) => /^#(\d+)/.exec(line)?.[1]),
    ['3', '7', '201'],
  );
  t.regex(lines[2] ?? '', /^#201 \(generated of #7\) .*: 1, the best; folds 1 1\.1 0\.9$/);
  for (let number = 20; number <= 200; number += 20) t.true(digest.includes(`fault ${number}`), `failure ${number}`);
  t.regex(lines.at(-1) ?? '', /^and \d+ more$/);
  t.is(writeDigest(board, METRIC), digest);
});

test('what is hidden is not told, and running ones are not', (t) => {
  const board = createScoreboard();
  add(board, 1, { value: 2 });
  add(board, 2, { value: 1 });
  add(board, 3, { state: 'running' });
  t.is(writeDigest(board, METRIC, new Set([2])).split('\n').length, 1);
  t.regex(writeDigest(board, METRIC, new Set([2])), /^#1 .*the best/);
});

test('a suspect one is told to be one', (t) => {
  const board = createScoreboard();
  add(board, 1, { value: 2 });
  add(board, 2, { value: 1, trust: { verdict: 'suspect', reasons: ['it knows'] } });
  t.regex(writeDigest(board, METRIC), /; suspect$/m);
});
