import { z } from 'zod';
import { SolutionReport } from '#core/report.ts';
import { TaskOverrides } from '#core/job.ts';
import { DataFile } from '../journal/entries.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** One program that has to run again, and the result file that holds it. */
export const ReproducedProgram = z.object({
  number: z.int().positive(),
  title: z.string(),
  kind: z.enum(['recipe', 'generated', 'stack']),
  file: z.string(),
  sha256: Sha256,
  recipe: z.string(),
  params: z.record(z.string(), z.unknown()),
});
export type ReproducedProgram = z.infer<typeof ReproducedProgram>;

/** What a second run of the best solution needs to be the same. `programs`: in the order of their numbers. */
export const Reproduction = z.object({
  seed: z.int(),
  threads: z.int().positive(),
  foldsAtOnce: z.int().positive(),
  memoryMib: z.int().positive(),
  timeLimitS: z.number(),
  overrides: TaskOverrides.nullable(),
  machine: z.object({ cpu: z.string(), arch: z.string() }),
  programs: z.array(ReproducedProgram).min(1),
});
export type Reproduction = z.infer<typeof Reproduction>;

/** The part of `evidence.json` that a second run is held against. Other fields are let through. */
export const Reproducible = z.object({
  schemaVersion: z.literal(1),
  job: z.object({ id: z.string(), competition: z.string() }),
  metric: z.object({ id: z.string() }),
  folds: z.object({ count: z.int().positive(), hash: z.string().nullable() }),
  best: SolutionReport,
  submission: z.object({ sha256: Sha256 }),
  solutions: z.array(SolutionReport),
  data: z.array(DataFile),
  versions: z.record(z.string(), z.string()),
  reproduction: Reproduction.nullable(),
});
export type Reproducible = z.infer<typeof Reproducible>;

/** How near a second run came: `identical` = the same file and the same scores; `equal` = within 1e-6; `close` = within a tenth of the noise. */
export type Nearness = 'identical' | 'equal' | 'close' | 'different';

export interface Comparison {
  readonly nearness: Nearness;
  /** What differs, one sentence each, what matters most first. */
  readonly differences: readonly string[];
}

const RELATIVE = 1e-6;
const SHARE_OF_NOISE = 0.1;
/** A 95 % interval is about four standard errors wide. */
const ERRORS_IN_INTERVAL = 4;

/** Holds a second run's evidence against the first one's. Pure. */
export function compareRuns(first: Reproducible, second: Reproducible): Comparison {
  const differences: string[] = [];
  const [was, is] = [first.best.score, second.best.score];
  const sameTask = first.folds.hash === second.folds.hash && first.metric.id === second.metric.id;
  if (first.metric.id !== second.metric.id) differences.push(`the metric was ${first.metric.id}, now it is ${second.metric.id}`);
  if (first.folds.hash !== second.folds.hash) differences.push('the folds are not the same');
  // A recipe of another version runs as a program that nobody knows.
  const kindOf = ({ best }: Reproducible) => (best.kind === 'recipe' || best.kind === 'generated' ? 'single program' : best.kind);
  const sameKind = kindOf(first) === kindOf(second);
  if (!sameKind) differences.push(`the best was a ${kindOf(first)}, now it is a ${kindOf(second)}`);
  if (was?.score !== is?.score) differences.push(`the score was ${was?.score ?? 'none'}, now it is ${is?.score ?? 'none'}`);
  const moved = first.best.foldScores.filter((score, fold) => score !== second.best.foldScores[fold]).length;
  if (moved > 0) differences.push(`${moved} of ${first.best.foldScores.length} folds score otherwise`);
  if (first.submission.sha256 !== second.submission.sha256) differences.push('submission.csv has other bytes');
  const nearness = (): Nearness => {
    if (!sameTask || was === null || is === null || !sameKind) return 'different';
    if (differences.length === 0) return 'identical';
    const apart = Math.abs(was.score - is.score);
    if (apart <= RELATIVE * Math.max(Math.abs(was.score), 1e-12)) return 'equal';
    return apart <= (SHARE_OF_NOISE * (was.high - was.low)) / ERRORS_IN_INTERVAL ? 'close' : 'different';
  };
  return { nearness: nearness(), differences: [...differences, ...comparePrograms(first, second), ...compareSurroundings(first, second)] };
}

/** The programs that scored otherwise this time, or failed. */
function comparePrograms(first: Reproducible, second: Reproducible): string[] {
  const now = new Map(second.solutions.map((solution) => [solution.number, solution]));
  const before = new Map(first.solutions.map((solution) => [solution.number, solution]));
  return (first.reproduction?.programs ?? []).flatMap(({ number, title }) => {
    const [was, is] = [before.get(number), now.get(number)];
    if (is === undefined || is.score === null) return [`solution ${number} (${title}) has no score: ${is?.failure ?? 'it did not run'}`];
    return was?.score?.score === is.score.score
      ? []
      : [`solution ${number} (${title}) scored ${was?.score?.score ?? 'nothing'}, now ${is.score.score}`];
  });
}

/** Versions, processor and threads that are others: why numbers may differ in their last digits. */
function compareSurroundings(first: Reproducible, second: Reproducible): string[] {
  const names = [...new Set([...Object.keys(first.versions), ...Object.keys(second.versions)])].toSorted();
  const versions = names
    .filter((name) => first.versions[name] !== second.versions[name])
    .map((name) => `${name} was ${first.versions[name] ?? 'absent'}, now it is ${second.versions[name] ?? 'absent'}`);
  const [was, is] = [first.reproduction, second.reproduction];
  if (was === null || is === null) return versions;
  const machine = was.machine.cpu === is.machine.cpu ? [] : [`the processor was ${was.machine.cpu}, now it is ${is.machine.cpu}`];
  const threads = was.threads === is.threads ? [] : [`it had ${was.threads} threads, now it has ${is.threads}`];
  return [...versions, ...machine, ...threads];
}
