import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { z } from 'zod';
import { CompetitionSlug } from '#core/kaggle.ts';
import { findMetric, parseAnswers, scoreSubmission, type Score } from './scoring.ts';
import { parsePoints, scoreProgram, scoreTour } from './scoring-unlabelled.ts';

/** `examples/<slug>/competition.json`: what Kaggle would know of a competition, and how it is scored. */
const CompetitionFacts = z.strictObject({
  id: z.int().positive(),
  title: z.string().min(1),
  description: z.string(),
  category: z.string(),
  reward: z.string().default('Knowledge'),
  organizationName: z.string().default(''),
  tags: z.array(z.string()).default([]),
  enabledDate: z.iso.datetime(),
  deadline: z.iso.datetime(),
  maxDailySubmissions: z.int().positive(),
  /** Display name; absent for competitions where Kaggle does not tell it. */
  evaluationMetric: z.string().default(''),
  isKernelsSubmissionsOnly: z.boolean().default(false),
  submissionsDisabled: z.boolean().default(false),
  /** Practice competitions show the private score at once, running ones only after their deadline. */
  showsPrivateScore: z.boolean().default(false),
  /** Page name as Kaggle shows it → file under `pages/`. */
  pages: z.record(z.string(), z.string().regex(/^[a-z0-9-]+\.md$/)),
  scoring: z.union([
    z.strictObject({ metric: z.string(), idColumn: z.string() }),
    /** No hidden answers: the length of the way through the points of a data file, in the order that a submission gives. */
    z.strictObject({ tourThrough: z.string(), idColumn: z.string() }),
    /** A program that would play against others: it is taken, and has no score here. */
    z.strictObject({ program: z.literal(true) }),
  ]),
});
export type CompetitionFacts = z.infer<typeof CompetitionFacts>;

/** A file that is served: its name inside the bundle and where it lies on disk. */
export interface ServedFile {
  name: string;
  path: string;
  bytes: number;
  modifiedAt: Date;
}

/** A competition ready to be served. */
export interface ServedCompetition {
  slug: string;
  facts: CompetitionFacts;
  pages: { name: string; content: string }[];
  files: ServedFile[];
  isHigherBetter: boolean;
  /** Scores a submission file; nulls where nothing is scored. Throws `SubmissionInvalid`. */
  score: (bytes: Buffer) => Score | { publicScore: null; privateScore: null };
  /** Public score of the sample submission, shown as the leaderboard's benchmark row; null without a sample. */
  benchmarkScore: number | null;
}

/** Read every `<examplesDir>/<slug>/competition.json`, its pages, data and hidden answers. Throws naming the file that is wrong. */
export function loadCompetitions(examplesDir: string, answersDir: string): Map<string, ServedCompetition> {
  const slugs = readdirSync(examplesDir).filter(
    (name) => CompetitionSlug.safeParse(name).success && isFile(join(examplesDir, name, 'competition.json')),
  );
  return new Map(slugs.map((slug) => [slug, loadCompetition(slug, join(examplesDir, slug), join(answersDir, slug))]));
}

function loadCompetition(slug: string, dir: string, answersDir: string): ServedCompetition {
  const factsPath = join(dir, 'competition.json');
  const parsed = CompetitionFacts.safeParse(JSON.parse(readFileSync(factsPath, 'utf8')));
  if (!parsed.success) throw new Error(`${slug}/competition.json: ${z.prettifyError(parsed.error)}`);
  const facts = parsed.data;
  const pages = Object.entries(facts.pages).map(([name, file]) => ({ name, content: readFileSync(join(dir, 'pages', file), 'utf8') }));
  const files = listServedFiles(join(dir, 'data'));
  const scorer = makeScorer(facts.scoring, join(dir, 'data'), answersDir);
  return { slug, facts, pages, files, ...scorer, benchmarkScore: scoreSample(files, scorer.score) };
}

function makeScorer(
  scoring: CompetitionFacts['scoring'],
  dataDir: string,
  answersDir: string,
): Pick<ServedCompetition, 'isHigherBetter' | 'score'> {
  if ('program' in scoring) return { isHigherBetter: true, score: scoreProgram };
  if ('tourThrough' in scoring) {
    const points = parsePoints(readFileSync(join(dataDir, scoring.tourThrough), 'utf8'), scoring.idColumn);
    return { isHigherBetter: false, score: (bytes) => scoreTour(bytes, points) };
  }
  const answers = parseAnswers(readFileSync(join(answersDir, 'answers.csv'), 'utf8'), scoring.idColumn);
  const { isHigherBetter } = findMetric(scoring.metric);
  return { isHigherBetter, score: (bytes) => scoreSubmission(bytes, answers, scoring.metric) };
}

function listServedFiles(dataDir: string): ServedFile[] {
  return readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dataDir, name))
    .filter(isFile)
    .map((path) => {
      const { size, mtime } = statSync(path);
      return { name: relative(dataDir, path).split(sep).join('/'), path, bytes: size, modifiedAt: mtime };
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function scoreSample(files: ServedFile[], score: ServedCompetition['score']): number | null {
  const sample = files.find((file) => /^sample_?submission\.csv$/i.test(file.name));
  return sample ? score(readFileSync(sample.path)).publicScore : null;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
