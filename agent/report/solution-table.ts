import type { SolutionReport } from '#core/report.ts';
import { pairedStandardError } from '../search/scoreboard.ts';
import { escape, show } from './markup.ts';

interface TableOptions {
  readonly direction: 'maximize' | 'minimize';
  readonly bestNumber: number | null;
}

/** Everything that was tried, in order: what it came from, what it gained on the best before it, what it claimed, or why it failed. */
export function writeSolutions(solutions: readonly SolutionReport[], { direction, bestNumber }: TableOptions): string {
  let best: SolutionReport | null = null;
  const rows: string[] = [];
  for (const solution of solutions) {
    rows.push(writeRow(solution, describeGain(solution, best, direction), solution.number === bestNumber));
    if (isBetter(solution, best, direction)) best = solution;
  }
  const head = [
    '<tr><th>#</th><th>Solution</th><th class="n">Score</th><th class="n">Gain on the best before</th>',
    '<th>95 % interval</th><th class="n">Claimed</th><th class="n">Seconds</th></tr>',
  ].join('');
  return `<div class="scroll"><table>${head}${rows.join('')}</table></div>`;
}

function writeRow(solution: SolutionReport, gain: string, isBest: boolean): string {
  const { number, title, score, state, failure, trust, seconds } = solution;
  const range = score ? `${show(score.low)} to ${show(score.high)}` : '';
  const suspect = trust?.verdict === 'suspect' ? ` <span class="bad">suspect: ${escape(trust.reasons[0] ?? '')}</span>` : '';
  const result = state === 'failed' ? `<span class="bad">${escape(failure ?? 'failed')}</span>` : `${range}${suspect}`;
  const origin = describeOrigin(solution);
  const from = origin === '' ? '' : ` <span class="soft">${origin}</span>`;
  const cells = [
    `<td>${number}</td><td>${escape(title)}${from}</td><td class="n">${show(score?.score)}</td><td class="n">${gain}</td>`,
    `<td>${result}</td><td class="n">${escape(findClaim(solution))}</td><td class="n">${show(seconds)}</td>`,
  ].join('');
  return `<tr${isBest ? ' class="best"' : ''}>${cells}</tr>`;
}

/** What it was made from: the edges of the tree. */
function describeOrigin({ kind, parents }: SolutionReport): string {
  const from = parents.map((parent) => `#${parent}`).join(', ');
  if (kind === 'generated') return parents.length === 0 ? 'by Claude' : `by Claude, from ${from}`;
  return parents.length === 0 ? '' : `of ${from}`;
}

function describeGain(solution: SolutionReport, best: SolutionReport | null, direction: TableOptions['direction']): string {
  if (solution.score === null || best?.score == null || best.kind === 'baseline') return '';
  const gain = signed(direction, solution.score.score - best.score.score);
  const noise = pairedStandardError(solution.foldScores, best.foldScores);
  return `${gain > 0 ? '+' : ''}${show(gain)}${noise > 0 ? ` ± ${show(noise)}` : ''}`;
}

function isBetter(solution: SolutionReport, best: SolutionReport | null, direction: TableOptions['direction']): boolean {
  // A stack is scored on two folds only, so it is no measure for those that follow.
  if (solution.score === null || solution.trust?.verdict === 'suspect' || solution.kind === 'stack') return false;
  return best?.score == null || signed(direction, solution.score.score - best.score.score) > 0;
}

function signed(direction: TableOptions['direction'], difference: number): number {
  return direction === 'maximize' ? difference : -difference;
}

/** The score that its program printed of itself: shown beside the measured one, believed by nothing. */
function findClaim({ checks }: SolutionReport): string {
  const detail = checks.find(({ name }) => name === 'claimed like measured')?.detail ?? '';
  return /claimed (-?[\d.e+-]+);/.exec(detail)?.[1] ?? '';
}
