/** Hidden answers and submitted values of the same rows. Columns are the submission's value columns, in its order. */
export interface ScoredRows {
  truth: readonly (readonly string[])[];
  submitted: readonly (readonly string[])[];
  /** Names of the submitted value columns: class names where a submission has one column a class. */
  columns: readonly string[];
}

/** A metric: its score, which direction is better, and whether the submitted values must be numbers. */
export interface Metric {
  isHigherBetter: boolean;
  needsNumbers: boolean;
  /** One column a class is submitted against one column of labels. */
  isWide?: boolean;
  /** The answers say when and whether something happened (time, event), the submission gives one column of risks. */
  isSurvival?: boolean;
  score(rows: ScoredRows): number;
}

type NumberScore = (truth: readonly number[], guess: readonly number[]) => number;
type LabelScore = (truth: readonly string[], guess: readonly string[]) => number;

/** The metrics the stand-in scores with, by the name used in `competition.json`. Several targets: the mean over their columns. */
export const METRICS: Readonly<Record<string, Metric>> = {
  rmse: numeric(false, (y, p) => Math.sqrt(mean(y.map((v, i) => (v - at(p, i)) ** 2)))),
  mse: numeric(false, (y, p) => mean(y.map((v, i) => (v - at(p, i)) ** 2))),
  mae: numeric(false, (y, p) => mean(y.map((v, i) => Math.abs(v - at(p, i))))),
  medae: numeric(false, (y, p) => median(y.map((v, i) => Math.abs(v - at(p, i))))),
  rmsle: numeric(false, scoreRmsle),
  mape: numeric(false, (y, p) => mean(y.map((v, i) => Math.abs(v - at(p, i)) / Math.max(Math.abs(v), Number.EPSILON)))),
  smape: numeric(false, (y, p) => 100 * mean(y.map((v, i) => scoreSmapeRow(v, at(p, i))))),
  r2: numeric(true, (y, p) => 1 - sum(y.map((v, i) => (v - at(p, i)) ** 2)) / sum(y.map((v) => (v - mean(y)) ** 2))),
  auc: numeric(true, scoreAuc),
  logloss: numeric(false, (y, p) => -mean(y.map((v, i) => (v === 1 ? Math.log(clip(at(p, i))) : Math.log(1 - clip(at(p, i))))))),
  'logloss-multiclass': { isHigherBetter: false, needsNumbers: true, isWide: true, score: scoreWideLogLoss },
  accuracy: labels(true, (y, p) => mean(y.map((v, i) => (v === p[i] ? 1 : 0)))),
  'balanced-accuracy': labels(true, (y, p) =>
    mean(
      countClasses(y, p)
        .filter((c) => c.truth > 0)
        .map((c) => c.hit / c.truth),
    ),
  ),
  f1: labels(true, (y, p) => f1(countClasses(y, p).find((c) => c.name === '1') ?? { name: '1', hit: 0, truth: 0, guess: 0 })),
  'f1-macro': labels(true, (y, p) => mean(countClasses(y, p).map(f1))),
  'f1-micro': labels(true, (y, p) => mean(y.map((v, i) => (v === p[i] ? 1 : 0)))),
  'f1-weighted': labels(true, (y, p) => sum(countClasses(y, p).map((c) => f1(c) * c.truth)) / y.length),
  mcc: labels(true, scoreMcc),
  qwk: numeric(true, scoreQuadraticKappa),
  chrf: { isHigherBetter: true, needsNumbers: false, score: scoreChrf },
  concordance: { isHigherBetter: true, needsNumbers: true, isSurvival: true, score: scoreConcordance },
};

function numeric(isHigherBetter: boolean, score: NumberScore): Metric {
  return { isHigherBetter, needsNumbers: true, score: (rows) => meanOverColumns(rows, (y, p) => score(y.map(Number), p.map(Number))) };
}

function labels(isHigherBetter: boolean, score: LabelScore): Metric {
  return {
    isHigherBetter,
    needsNumbers: false,
    score: (rows) => meanOverColumns(rows, (y, p) => score(y.map(plainLabel), p.map(plainLabel))),
  };
}

/** 1, 1.0 and "1" are one label. */
function plainLabel(value: string): string {
  return /^-?\d+\.0+$/.test(value) ? value.replace(/\.0+$/, '') : value;
}

function meanOverColumns(rows: ScoredRows, score: LabelScore): number {
  return mean(rows.columns.map((_, column) => score(columnOf(rows.truth, column), columnOf(rows.submitted, column))));
}

function columnOf(rows: readonly (readonly string[])[], index: number): string[] {
  return rows.map((row) => row[index] ?? '');
}

function scoreRmsle(y: readonly number[], p: readonly number[]): number {
  if (p.some((value) => value <= -1)) throw new RangeError('Values must be greater than -1 for a logarithmic error.');
  return Math.sqrt(mean(y.map((v, i) => (Math.log1p(v) - Math.log1p(at(p, i))) ** 2)));
}

function scoreSmapeRow(truth: number, guess: number): number {
  const size = (Math.abs(truth) + Math.abs(guess)) / 2;
  return size === 0 ? 0 : Math.abs(truth - guess) / size;
}

/** Area under the ROC curve by ranks, ties counted half. */
function scoreAuc(y: readonly number[], p: readonly number[]): number {
  const order = p.map((value, index) => ({ value, index })).toSorted((a, b) => a.value - b.value);
  let rankSum = 0;
  for (let start = 0; start < order.length;) {
    let end = start;
    while (end < order.length && order[end]?.value === order[start]?.value) end += 1;
    for (let i = start; i < end; i += 1) if (y[order[i]?.index ?? -1] === 1) rankSum += (start + end + 1) / 2;
    start = end;
  }
  const positives = y.filter((v) => v === 1).length;
  const negatives = y.length - positives;
  if (positives === 0 || negatives === 0) throw new RangeError('Only one class is present.');
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Multi-class log loss: rows are rescaled to sum to 1, as Kaggle does. */
function scoreWideLogLoss({ truth, submitted, columns }: ScoredRows): number {
  return -mean(
    truth.map((label, i) => {
      const values = (submitted[i] ?? []).map(Number);
      const index = columns.indexOf(label[0] ?? '');
      return Math.log(clip((values[index] ?? 0) / Math.max(sum(values), Number.MIN_VALUE)));
    }),
  );
}

interface ClassCount {
  name: string;
  hit: number;
  truth: number;
  guess: number;
}

function countClasses(y: readonly string[], p: readonly string[]): ClassCount[] {
  const counts = new Map<string, ClassCount>();
  const of = (name: string): ClassCount => {
    const known = counts.get(name) ?? { name, hit: 0, truth: 0, guess: 0 };
    counts.set(name, known);
    return known;
  };
  for (const [i, label] of y.entries()) {
    of(label).truth += 1;
    of(p[i] ?? '').guess += 1;
    if (label === p[i]) of(label).hit += 1;
  }
  return [...counts.values()];
}

function f1({ hit, truth, guess }: ClassCount): number {
  return truth + guess === 0 ? 0 : (2 * hit) / (truth + guess);
}

function scoreMcc(y: readonly string[], p: readonly string[]): number {
  const counts = countClasses(y, p);
  const total = y.length;
  const hits = sum(counts.map((c) => c.hit));
  const cross = sum(counts.map((c) => c.truth * c.guess));
  const spread = (total ** 2 - sum(counts.map((c) => c.truth ** 2))) * (total ** 2 - sum(counts.map((c) => c.guess ** 2)));
  return spread === 0 ? 0 : (hits * total - cross) / Math.sqrt(spread);
}

function scoreQuadraticKappa(y: readonly number[], p: readonly number[]): number {
  const yMean = mean(y);
  const pMean = mean(p);
  const observed = mean(y.map((v, i) => (v - at(p, i)) ** 2));
  const expected = mean(y.map((v) => (v - yMean) ** 2)) + mean(p.map((v) => (v - pMean) ** 2)) + (yMean - pMean) ** 2;
  return expected === 0 ? 0 : 1 - observed / expected;
}

const CHRF_MAX_LENGTH = 6;
const CHRF_BETA_SQUARED = 4;

/** chrF of all rows together (Popović 2015): pieces of one to six characters without blanks, recall weighs twice; 0 to 100. */
function scoreChrf({ truth, submitted }: ScoredRows): number {
  const precisions: number[] = [];
  const recalls: number[] = [];
  for (let length = 1; length <= CHRF_MAX_LENGTH; length += 1) {
    const totals = { match: 0, truth: 0, guess: 0 };
    for (const [i, row] of truth.entries()) {
      const expected = countPieces(row[0] ?? '', length);
      const given = countPieces(submitted[i]?.[0] ?? '', length);
      for (const count of expected.values()) totals.truth += count;
      for (const [piece, count] of given) {
        totals.guess += count;
        totals.match += Math.min(count, expected.get(piece) ?? 0);
      }
    }
    if (totals.truth === 0 || totals.guess === 0) continue;
    precisions.push(totals.match / totals.guess);
    recalls.push(totals.match / totals.truth);
  }
  if (precisions.length === 0) return 0;
  const [precision, recall] = [mean(precisions), mean(recalls)];
  const weighted = CHRF_BETA_SQUARED * precision + recall;
  return weighted === 0 ? 0 : (100 * (1 + CHRF_BETA_SQUARED) * precision * recall) / weighted;
}

function countPieces(text: string, length: number): Map<string, number> {
  const characters = [...text.replaceAll(/\s+/g, '')];
  const counts = new Map<string, number>();
  for (let start = 0; start + length <= characters.length; start += 1) {
    const piece = characters.slice(start, start + length).join('');
    counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  return counts;
}

/** Harrell's C: of the pairs whose order is known, the share where the higher risk had the event first; equal risks count half. */
function scoreConcordance({ truth, submitted }: ScoredRows): number {
  const people = truth.map((row, i) => ({ time: Number(row[0]), isEvent: Number(row[1]) === 1, risk: Number(submitted[i]?.[0]) }));
  let known = 0;
  let right = 0;
  for (const first of people.filter(({ isEvent }) => isEvent)) {
    for (const other of people) {
      if (other.time < first.time || (other.time === first.time && other.isEvent)) continue;
      known += 1;
      right += first.risk > other.risk ? 1 : first.risk === other.risk ? 0.5 : 0;
    }
  }
  if (known === 0) throw new RangeError('No pair of rows can be compared.');
  return right / known;
}

function at(values: readonly number[], index: number): number {
  return values[index] ?? Number.NaN;
}

function clip(value: number): number {
  return Math.min(1 - 1e-15, Math.max(1e-15, value));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? at(sorted, Math.floor(middle)) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
}
