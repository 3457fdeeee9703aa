import { z } from 'zod';
import { Score } from '#core/job.ts';
import { SolutionReport } from '#core/report.ts';
import { formatScore, formatSeconds, formatTable } from './output.ts';

/** What of `evidence.json` a person is told at the end of `solve`. */
export const SolvedEvidence = z.object({
  metric: z.object({ id: z.string(), direction: z.enum(['maximize', 'minimize']) }),
  best: z.object({ number: z.int(), weights: z.array(z.object({ solution: z.int(), weight: z.number() })) }),
  expected: Score.nullable(),
  solutions: z.array(SolutionReport),
  notes: z.array(z.string()),
  spend: z.object({ usd: z.number() }),
});
export type SolvedEvidence = z.infer<typeof SolvedEvidence>;

const LATE = /did not fit into the time limit|does not fit: needs about|for lack of time/;
const GIVEN_UP = /^given up: /;
const MOST_FAILURE_CHARS = 60;

/** A table of the models, what the file is made of, the score to expect, and what would help next. */
export function describeSolved(evidence: SolvedEvidence): string {
  const { metric, best, expected, solutions } = evidence;
  const sign = metric.direction === 'maximize' ? -1 : 1;
  const quick = solutions.filter(({ failure }) => GIVEN_UP.test(failure ?? '')).length;
  const shown = solutions
    .filter(({ failure }) => !GIVEN_UP.test(failure ?? ''))
    .toSorted((left, right) => sign * ((left.score?.score ?? sign * Infinity) - (right.score?.score ?? sign * Infinity)));
  const rows = shown.map((solution) => describeRow(solution, best));
  const table = formatTable(['', 'solution', metric.id, '±', 'in the blend', 'took', 'checks'], rows);
  const lines = [
    ...(quick > 0 ? [`${quick} further settings began worse than their recipe and were given up.`] : []),
    ...(expected === null ? [] : [`On the leaderboard expect ${describeScore(expected)}.`]),
    ...adviseNext(evidence).map((text) => `What would help next: ${text}`),
  ];
  return `${table}${lines.map((line) => `${line}\n`).join('')}`;
}

function describeRow(solution: SolutionReport, best: SolvedEvidence['best']): string[] {
  const { number, title, score, seconds, trust, failure } = solution;
  const weight = best.weights.find((each) => each.solution === number)?.weight;
  return [
    number === best.number ? '*' : '',
    title,
    score === null ? '' : formatScore(score.score),
    score === null ? '' : formatScore(Number(((score.high - score.low) / 2).toPrecision(2))),
    weight === undefined ? '' : `${Math.round(100 * weight)} %`,
    formatSeconds(seconds),
    failure === null ? (trust?.verdict ?? '') : failure.slice(0, MOST_FAILURE_CHARS),
  ];
}

function describeScore({ score, low, high }: Score): string {
  return `${formatScore(score)} (95 %: ${formatScore(low)} to ${formatScore(high)})`;
}

function adviseNext({ solutions, notes, best, spend }: SolvedEvidence): string[] {
  const isLate = notes.some((note) => LATE.test(note)) || solutions.some(({ failure }) => LATE.test(failure ?? ''));
  const chosen = solutions.find(({ number }) => number === best.number);
  return [
    ...(isLate ? ['more time: some models did not fit (--time-limit)'] : []),
    ...(chosen?.trust?.verdict === 'unverified' ? ['a look at the checks in report.html: the score could not be verified'] : []),
    ...(spend.usd === 0 ? ['a key for Claude, which then writes programs of its own (docs/claude.md)'] : []),
  ];
}
