import type { FixedMetric } from '../evaluate/harness-protocol.ts';
import type { GradedSolution, Scoreboard } from '../search/scoreboard.ts';
import type { SolutionReport } from '#core/report.ts';
import { compareScores, pairedStandardError } from '../search/scoreboard.ts';
import { formatScore } from '../search/keep.ts';

const MAX_CHARS = 6_000;
const MAX_LINE_CHARS = 300;

/**
 * What was tried, as the planner and the engineers read it, under a fixed length: the best and its lineage first, then failures, then the
 * others from the newest on. Made from scores alone, so that the same run gives the same text. `hidden`: what it does not know yet; `likeness`: how
 * each answers like the best.
 */
export function writeDigest(
  board: Scoreboard,
  metric: FixedMetric,
  hidden: ReadonlySet<number> = new Set(),
  likeness: ReadonlyMap<number, number> = new Map(),
): string {
  const best = findBestTold(board, metric, hidden);
  const lineage = best === undefined ? new Set<number>() : listLineage(board, best.number);
  const reports = [...board.reports.values()].filter((report) => report.state !== 'running' && !hidden.has(report.number));
  const ordered = [
    ...reports.filter(({ number }) => lineage.has(number)),
    ...reports.filter(({ number, state }) => state === 'failed' && !lineage.has(number)).toReversed(),
    ...reports.filter(({ number, state }) => state !== 'failed' && !lineage.has(number)).toReversed(),
  ];
  const lines: string[] = [];
  let length = 0;
  for (const report of ordered) {
    const line = describe(report, board, metric, { best: best ?? null, likeness }).slice(0, MAX_LINE_CHARS);
    if (length + line.length > MAX_CHARS) {
      lines.push(`and ${ordered.length - lines.length} more`);
      break;
    }
    lines.push(line);
    length += line.length + 1;
  }
  return lines.join('\n');
}

/** The best of those that are told of, by score alone. */
export function findBestTold(board: Scoreboard, metric: FixedMetric, hidden: ReadonlySet<number>): GradedSolution | undefined {
  return [...board.graded.values()]
    .filter(({ kind, number }) => kind !== 'baseline' && kind !== 'stack' && !hidden.has(number))
    .toSorted((left, right) => compareScores(metric, right.score, left.score))[0];
}

function listLineage(board: Scoreboard, number: number): Set<number> {
  const found = new Set<number>();
  const next = [number];
  while (next.length > 0) {
    const each = next.pop();
    if (each === undefined || found.has(each)) continue;
    found.add(each);
    next.push(...(board.reports.get(each)?.parents ?? []));
  }
  return found;
}

function describe(
  report: SolutionReport,
  board: Scoreboard,
  metric: FixedMetric,
  { best, likeness }: { readonly best: GradedSolution | null; readonly likeness: ReadonlyMap<number, number> },
): string {
  const head = `#${report.number} (${report.kind}${report.parents.length > 0 ? ` of #${report.parents.join(', #')}` : ''}) ${report.title}`;
  if (report.state === 'failed') return `${head}: failed: ${report.failure ?? 'unknown'}`;
  const graded = board.graded.get(report.number);
  if (graded === undefined) return head;
  const folds = graded.foldScores.map(formatScore).join(' ');
  const trust = report.trust?.verdict === 'suspect' ? '; suspect' : '';
  if (best === null || best.number === graded.number) return `${head}: ${formatScore(graded.score)}, the best; folds ${folds}${trust}`;
  const behind = compareScores(metric, best.score, graded.score);
  const noise = pairedStandardError(best.foldScores, graded.foldScores);
  const alike = likeness.get(report.number);
  const like = alike === undefined ? '' : `; answers like the best ${alike.toFixed(2)}`;
  return `${head}: ${formatScore(graded.score)}, ${formatScore(behind)} behind the best (noise ${formatScore(noise)}); folds ${folds}${like}${trust}`;
}
