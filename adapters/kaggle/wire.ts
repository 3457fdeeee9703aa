import { z } from 'zod';
import type { Competition, CompetitionFile, LeaderboardRow, SubmissionRecord } from '#core/kaggle.ts';
import { competitionUrl, CompetitionSlug } from '#core/kaggle.ts';

// Kaggle omits fields that have their default value, and sends 64-bit numbers as numbers or as strings: every field is read so.
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const flag = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const count = z.coerce
  .number()
  .int()
  .nonnegative()
  .nullish()
  .catch(0)
  .transform((value) => value ?? 0);
const date = z
  .string()
  .nullish()
  .transform((value) => readDate(value ?? ''));
const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);
const reference = z
  .union([z.string(), z.number()])
  .nullish()
  .transform((value) => (value === null || value === undefined ? '' : String(value)));
const score = z.union([z.string(), z.number()]).nullish().transform(readScore);

function readDate(value: string): Date | null {
  const parsed = new Date(value);
  return value === '' || Number.isNaN(parsed.getTime()) ? null : parsed;
}

function readScore(value: string | number | null | undefined): number | null {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** `ref` is the competition's full URL on the wire, sometimes only its slug. */
const slugFromRef = z
  .string()
  .transform((ref) => ref.replace(/\/+$/, '').split('/').at(-1) ?? '')
  .pipe(CompetitionSlug);

export const CompetitionReply = z
  .object({
    ref: slugFromRef,
    title: text,
    description: text,
    category: text,
    reward: text,
    organizationName: text,
    tags: list(z.object({ name: text })),
    deadline: date,
    evaluationMetric: text,
    maxDailySubmissions: count,
    teamCount: count,
    userHasEntered: flag,
    isKernelsSubmissionsOnly: flag,
    submissionsDisabled: flag,
  })
  .transform(({ ref, tags, evaluationMetric, isKernelsSubmissionsOnly, ...rest }): Competition => ({
    ...rest,
    slug: ref,
    url: competitionUrl(ref),
    tags: tags.map((tag) => tag.name),
    evaluationMetric: evaluationMetric === '' ? null : evaluationMetric,
    isNotebookOnly: isKernelsSubmissionsOnly,
  }));

export const PagesReply = z.object({ pages: list(z.object({ name: text, content: text })) });

const FileReply = z
  .object({ name: z.string(), totalBytes: count, creationDate: date })
  .transform((file): CompetitionFile => ({ name: file.name, bytes: file.totalBytes, createdAt: file.creationDate }));

export const FilesReply = z.object({ files: list(FileReply), nextPageToken: text });

export const SubmissionReply = z
  .object({
    ref: reference,
    status: text,
    fileName: text,
    description: text,
    date,
    publicScore: score,
    privateScore: score,
    errorDescription: text,
  })
  .transform(({ date: submittedAt, status, ...rest }): SubmissionRecord => ({ ...rest, status: readStatus(status), submittedAt }));

/** Statuses come as full enum names, short names, in any case; PENDING is the default value and so may be absent. */
function readStatus(status: string): SubmissionRecord['status'] {
  const lower = status.toLowerCase();
  if (lower.endsWith('complete')) return 'complete';
  return lower.endsWith('error') ? 'error' : 'pending';
}

export const SubmissionsReply = z.object({ submissions: list(SubmissionReply), nextPageToken: text });

export const LeaderboardReply = z.object({
  submissions: list(
    z.object({ teamId: reference, teamName: text, submissionDate: date, score }).transform((row): LeaderboardRow => ({
      teamId: row.teamId,
      teamName: row.teamName,
      score: row.score,
      submittedAt: row.submissionDate,
    })),
  ),
  nextPageToken: text,
});

export const LimitsReply = z.object({ numToday: count, numTotal: count, numAllowedNow: count });
export const StartUploadReply = z.object({ token: z.string().min(1), createUrl: z.url() });
export const CreateSubmissionReply = z.object({ message: text, ref: reference });
export const IntrospectReply = z.object({ active: flag, username: text });

/** Both error shapes: nested from api.kaggle.com, flat from www.kaggle.com. */
export const ErrorReply = z.union([
  z.object({ error: z.object({ code: z.number().optional(), message: text, status: text, details: z.unknown().optional() }) }),
  z
    .object({ code: z.number(), message: text })
    .transform(({ code, message }) => ({ error: { code, message, status: '', details: undefined } })),
]);
