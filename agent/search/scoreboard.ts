import type { Evaluation, FixedMetric } from '../evaluate/harness-protocol.ts';
import type { Score } from '#core/job.ts';
import type { SolutionReport } from '#core/report.ts';

/** A solution that the grader has measured. */
export interface GradedSolution {
  readonly number: number;
  readonly kind: SolutionReport['kind'];
  readonly title: string;
  readonly score: number;
  readonly foldScores: readonly number[];
  /** It gave raw scores, not decisions. */
  readonly isRaw: boolean;
  readonly report: SolutionReport;
}

/** The score with its interval, as every report shows it. */
export function toScore(evaluation: Pick<Evaluation, 'score' | 'low' | 'high'>): Score {
  return { score: evaluation.score, low: evaluation.low, high: evaluation.high };
}

/** Positive when `left` is the better score. */
export function compareScores(metric: Pick<FixedMetric, 'direction'>, left: number, right: number): number {
  return metric.direction === 'maximize' ? left - right : right - left;
}

/**
 * Whether a challenger replaces the best. A constant is replaced by any model that scores better; a model only when the paired gain per
 * fold exceeds its standard error, so that noise does not choose. A blend's score is nested already: any gain counts.
 */
export function isImprovement(metric: Pick<FixedMetric, 'direction'>, challenger: GradedSolution, best: GradedSolution | null): boolean {
  if (best === null) return true;
  const gain = compareScores(metric, challenger.score, best.score);
  if (!(gain > 0)) return false;
  if (best.kind === 'baseline' || challenger.kind === 'blend') return true;
  return gain > pairedStandardError(challenger.foldScores, best.foldScores);
}

/** With fewer training rows, the best of several is often the luckiest. */
const FEW_ROWS = 10_000;
/** Student's t, two-sided 95 %, for 1, 2, … degrees of freedom: with few folds the error itself is uncertain. Beyond the list it is about 2. */
const STUDENT_T = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2];
const STUDENT_T_OF_MANY = 2.1;

/**
 * Whether a blend takes the place of a single model that nobody can tell from it at 95 %, by the paired folds. The single one's score is the best of several, and too good for
 * that; the blend's is nested.
 */
export function isTieOfFew(
  metric: Pick<FixedMetric, 'direction'>,
  rows: number,
  blend: GradedSolution,
  best: GradedSolution | null,
): boolean {
  if (best === null || best.kind === 'baseline' || blend.kind !== 'blend' || rows >= FEW_ROWS) return false;
  const errors = STUDENT_T[blend.foldScores.length - 2] ?? STUDENT_T_OF_MANY;
  return -compareScores(metric, blend.score, best.score) <= errors * pairedStandardError(blend.foldScores, best.foldScores);
}

/** Standard error of the mean difference of two solutions over the same folds; 0 when it cannot be told. */
export function pairedStandardError(left: readonly number[], right: readonly number[]): number {
  if (left.length !== right.length || left.length < 2) return 0;
  const differences = left.map((score, fold) => score - (right[fold] ?? score));
  const mean = differences.reduce((sum, value) => sum + value, 0) / differences.length;
  const variance = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (differences.length - 1);
  return Math.sqrt(variance / differences.length);
}

/** Solutions of an attempt and the best of them so far. */
export interface Scoreboard {
  readonly reports: Map<number, SolutionReport>;
  readonly graded: Map<number, GradedSolution>;
  best: GradedSolution | null;
}

/** An empty scoreboard. */
export function createScoreboard(): Scoreboard {
  return { reports: new Map(), graded: new Map(), best: null };
}

/** Something speaks against its score: it is never chosen by it. */
export function isSuspect({ report }: Pick<GradedSolution, 'report'>): boolean {
  return report.trust?.verdict === 'suspect';
}

/** It can be part of a blend or a stack: a program's own raw scores, and nothing against them. */
export function isMember(graded: GradedSolution): boolean {
  const isProgram = graded.kind === 'recipe' || graded.kind === 'generated';
  return isProgram && graded.isRaw && !isSuspect(graded) && !lacksProbes(graded);
}

/** The checks that only probes make; the harness names them so. */
const HOLDS = 'holds with other ids and another seed';
const LEARNS = 'learns what it is given';

/** Its program was run once more, and what came of that is in its checks; a run that a limit ended settles nothing. */
export function isProbed({ kind, report }: Pick<GradedSolution, 'kind' | 'report'>): boolean {
  const wanted = kind === 'generated' ? [HOLDS, LEARNS] : [HOLDS];
  return wanted.every((wantedName) => report.checks.some(({ name, ok, weight }) => name === wantedName && (ok || weight === 'suspect')));
}

/** A generated program that nobody knows to be without answers in it: not to be chosen, not to be blended. */
export function lacksProbes(solution: Pick<GradedSolution, 'kind' | 'report'>): boolean {
  return solution.kind === 'generated' && !isProbed(solution);
}

/** The best of all graded solutions that may be chosen, by score alone; ties go to the earlier one. */
export function findBestByScore(board: Scoreboard, metric: FixedMetric, kinds: readonly SolutionReport['kind'][]): GradedSolution | null {
  let best: GradedSolution | null = null;
  for (const solution of board.graded.values()) {
    if (!kinds.includes(solution.kind) || isSuspect(solution) || lacksProbes(solution)) continue;
    if (best === null || compareScores(metric, solution.score, best.score) > 0) best = solution;
  }
  return best;
}
