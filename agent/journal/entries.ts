import { z } from 'zod';
import { FixedMetric, TaskProfile } from '../evaluate/harness-protocol.ts';
import { Instruction } from '#core/instruction.ts';
import { SolutionReport } from '#core/report.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** One downloaded file of the competition, as it was when the task was fixed. */
export const DataFile = z.object({ name: z.string(), bytes: z.int(), sha256: Sha256 });
export type DataFile = z.infer<typeof DataFile>;

/** A stored object that holds out-of-fold and test scores of one solution, so that a later attempt need not run it again. */
export const StateObject = z.object({ key: z.string(), sha256: Sha256, bytes: z.int() });
export type StateObject = z.infer<typeof StateObject>;

/** What a block of a program is worth: what the program's score gains by it, a fold; or how the program fails without it. */
export const BlockEffect = z.object({ block: z.string(), gains: z.array(z.number()), failure: z.string().nullable() });
export type BlockEffect = z.infer<typeof BlockEffect>;

/** A lesson of an earlier job that this one was told, with what jobs before had made of it. */
export const ToldLesson = z.object({ id: z.string(), claim: z.string(), scope: z.string(), helped: z.int(), tried: z.int() });
export type ToldLesson = z.infer<typeof ToldLesson>;

/** What a fold scored before anything was chosen by it; null = nothing could be said. */
export const Grade = z.object({ fold: z.int(), score: z.number().nullable() });
export type Grade = z.infer<typeof Grade>;

/** What an entry says; `elapsedS` = seconds of the attempt's own clock. Reservations are written before anything is spent. */
export const JournalFact = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('attempt-started'),
    podUid: z.string(),
    adopted: z.object({ seq: z.int(), hash: Sha256 }).nullable(),
    remainingS: z.number(),
    versions: z.record(z.string(), z.string()),
  }),
  z.object({
    type: z.literal('task-fixed'),
    profile: TaskProfile,
    metric: FixedMetric,
    seed: z.int(),
    foldCount: z.int(),
    foldHash: z.string().nullable(),
    data: z.array(DataFile),
  }),
  z.object({
    type: z.literal('solution-started'),
    number: z.int().nonnegative(),
    title: z.string(),
    kind: SolutionReport.shape.kind,
    parents: z.array(z.int()),
    program: z.object({ recipe: z.string(), sha256: Sha256, params: z.record(z.string(), z.unknown()) }).nullable(),
  }),
  z.object({
    type: z.literal('solution-finished'),
    report: SolutionReport,
    standardError: z.number().nullable(),
    weights: z.array(z.object({ solution: z.int(), weight: z.number() })),
    state: StateObject.nullable(),
    /** What its folds scored as they came in; empty where that was said before. */
    grades: z.array(Grade).default([]),
  }),
  z.object({ type: z.literal('best-stored'), solution: z.int(), best: z.int().positive(), sha256: Sha256, key: z.string() }),
  z.object({
    type: z.literal('reserved'),
    id: z.string(),
    what: z.enum(['claude-call', 'kaggle-submission']),
    usd: z.number().nonnegative(),
    contentSha256: Sha256.nullable(),
  }),
  z.object({ type: z.literal('settled'), id: z.string(), usd: z.number().nonnegative(), outcome: z.string() }),
  /** Claude's turn begins: the solutions that it is told of. A later attempt tells it of the same, and asks the same questions. */
  z.object({ type: z.literal('exploration-begun'), known: z.array(z.int().nonnegative()) }),
  /** An answer of Claude, stored before anybody acts on it; `call` counts the questions of the job, `leftS` = seconds that were left for exploring then. */
  z.object({
    type: z.literal('replied'),
    call: z.int().positive(),
    role: z.string(),
    requestSha256: Sha256,
    key: z.string(),
    sha256: Sha256,
    leftS: z.number().nullable().default(null),
  }),
  /** What the blocks of a solution's program are worth: measured once, so that a later attempt need not run them again. */
  z.object({ type: z.literal('ablated'), solution: z.int(), effects: z.array(BlockEffect) }),
  /** A change of what several workers share, with its place in their order; one at the same place takes the place of all from there on. */
  z.object({ type: z.literal('turn'), index: z.int().nonnegative(), event: z.string(), workers: z.int().positive() }),
  /** The lessons that the job was told, chosen once. */
  z.object({ type: z.literal('lessons-told'), lessons: z.array(ToldLesson) }),
  /** What a person told the job, and in which turn of the exploration it was heard. */
  z.object({ type: z.literal('instructed'), seq: z.int().positive(), turn: z.int().nonnegative(), instruction: Instruction }),
  z.object({ type: z.literal('note'), text: z.string() }),
  z.object({
    type: z.literal('attempt-ended'),
    reason: z.enum(['finished', 'stopped', 'failed']),
    detail: z.string(),
    elapsedS: z.number(),
  }),
]);
export type JournalFact = z.infer<typeof JournalFact>;

/** One line of the journal: `previous` is the SHA-256 of the line before (64 zeros before the first). */
export const JournalEntry = z.object({
  seq: z.int().positive(),
  previous: Sha256,
  at: z.iso.datetime(),
  attempt: z.int().positive(),
  elapsedS: z.number(),
  fact: JournalFact,
});
export type JournalEntry = z.infer<typeof JournalEntry>;
