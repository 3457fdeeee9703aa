import { z } from 'zod';
import { JobError, Progress, ResourcesUsed, Score, Trust } from './job.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Names of result files: flat, so that a name can never leave its folder. */
export const FileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/);

/** What a result's submission is called: a table, or a program where the competition takes one. */
export const SubmissionName = z.enum(['submission.csv', 'submission.py']);
export type SubmissionName = z.infer<typeof SubmissionName>;

/** One file that an attempt produced; `key` lies under the attempt's own prefix. */
export const ManifestFile = z.object({
  name: FileName,
  key: z.string(),
  sha256: Sha256,
  bytes: z.int().nonnegative(),
  contentType: z.string(),
});
export type ManifestFile = z.infer<typeof ManifestFile>;

const Outcome = z.object({
  quality: z.enum(['model', 'fallback']),
  metric: z.string(),
  direction: z.enum(['maximize', 'minimize']),
  metricIsProxy: z.boolean(),
  trust: Trust.nullable().default(null),
  /** What the leaderboard should say; null in a best-so-far record, and where rows are too few. */
  expected: Score.nullable().default(null),
  cv: Score.nullable(),
  bestSolution: z.int().nullable(),
  solutions: z.int(),
  firstValidSeconds: z.number().nullable(),
  seconds: z.number(),
  resources: ResourcesUsed.nullable().default(null),
  notes: z.array(z.string().max(500)).max(50),
});

/** Written last by an attempt that ends well: what it produced, with hashes. A valid manifest of the current attempt decides the job. */
export const Manifest = Outcome.extend({
  schemaVersion: z.literal(1),
  jobId: z.uuid(),
  attempt: z.int().positive(),
  leaderboard: z.object({ public: z.number().nullable(), private: z.number().nullable(), ref: z.string().nullable() }).nullable(),
  journal: z.object({ lastSeq: z.int(), hash: z.string() }),
  files: z
    .array(ManifestFile)
    .min(1)
    .max(100)
    .refine(
      (files) => files.some((file) => SubmissionName.safeParse(file.name).success),
      'a manifest names submission.csv or submission.py',
    )
    .refine((files) => new Set(files.map((file) => file.name)).size === files.length, 'file names are unique'),
});
export type Manifest = z.infer<typeof Manifest>;

/** `best/<seq>.json`: an improved, validated submission, stored beside its file. The newest one is promoted when an attempt is cut off. */
export const BestRecord = Outcome.extend({
  schemaVersion: z.literal(1),
  jobId: z.uuid(),
  attempt: z.int().positive(),
  seq: z.int().positive(),
  file: ManifestFile.extend({ name: SubmissionName }),
});
export type BestRecord = z.infer<typeof BestRecord>;

/** One thing that was looked at. `weight`: what a solution is when it fails; a `note` changes no verdict. */
export const TrustCheck = z.object({
  name: z.string(),
  ok: z.boolean(),
  detail: z.string(),
  weight: z.enum(['note', 'unverified', 'suspect']).default('note'),
});
export type TrustCheck = z.infer<typeof TrustCheck>;

/** One solution as the agent reports it; the ledger's `solutions` follows these. */
export const SolutionReport = z.object({
  number: z.int().nonnegative(),
  title: z.string(),
  kind: z.enum(['baseline', 'recipe', 'blend', 'stack', 'generated']),
  parents: z.array(z.int()),
  state: z.enum(['running', 'valid', 'failed']),
  score: Score.nullable(),
  foldScores: z.array(z.number()),
  aggregate: z.enum(['mean-of-folds', 'pooled']).nullable(),
  checks: z.array(TrustCheck),
  trust: Trust.nullable().default(null),
  seconds: z.number(),
  failure: z.string().nullable(),
  codeKey: z.string().nullable(),
  logKey: z.string().nullable(),
});
export type SolutionReport = z.infer<typeof SolutionReport>;

/** `events/<seq>`: everything an attempt says, create-only and gap-free from 1. CloudEvents only hint at them. */
export const AgentEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), seq: z.int().positive(), at: z.iso.datetime(), podName: z.string().nullable() }),
  z.object({
    type: z.literal('progressed'),
    seq: z.int().positive(),
    at: z.iso.datetime(),
    progress: Progress,
    solution: SolutionReport.nullable(),
  }),
  z.object({ type: z.literal('improved'), seq: z.int().positive(), at: z.iso.datetime(), progress: Progress, best: z.int().positive() }),
  z.object({
    type: z.literal('exited'),
    seq: z.int().positive(),
    at: z.iso.datetime(),
    exitCode: z.int(),
    error: JobError.nullable(),
    progress: Progress.nullable(),
  }),
]);
export type AgentEvent = z.infer<typeof AgentEvent>;
