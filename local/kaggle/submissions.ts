import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { StandInUser } from './accounts.ts';
import type { ServedCompetition } from './competitions.ts';
import { defineMethod, findCompetition, type Methods, type StandInContext } from './methods.ts';
import { PageRequest, slicePage } from './paging.ts';
import { permissionDenied, WireError } from './replies.ts';
import { SubmissionInvalid } from './scoring.ts';
import type { StoredSubmission } from './state.ts';

const ByName = z.object({ competitionName: z.string() });
const whole = z.coerce.number().int().nonnegative();
const SUBMISSION_PAGE_SIZE = 50;

/** Uploading, submitting, and looking at what was submitted. */
export const SUBMISSION_METHODS: Methods = {
  StartSubmissionUpload: defineMethod(
    ByName.extend({ contentLength: whole, lastModifiedEpochSeconds: whole.nullish(), fileName: z.string().min(1).max(255) }),
    (context, user, request) => {
      const competition = requireEntry(context, user, request.competitionName);
      const upload = {
        token: `${randomUUID()}${randomUUID()}`,
        uploadId: randomUUID(),
        username: user.username,
        slug: competition.slug,
        fileName: basename(request.fileName),
        contentLength: request.contentLength,
        expiresAt: new Date(context.now().getTime() + context.uploadLifetimeMs).toISOString(),
        isUsed: false,
      };
      context.state.addUpload(upload);
      return { token: upload.token, createUrl: context.storage.uploadUrl(upload) };
    },
  ),
  CreateSubmission: defineMethod(
    ByName.extend({ blobFileTokens: z.string(), submissionDescription: z.string().max(1000).nullish() }),
    createSubmission,
  ),
  CreateCodeSubmission: defineMethod(ByName, () => {
    throw new WireError(400, 'Notebook submissions are not available here.');
  }),
  GetSubmission: defineMethod(z.object({ ref: z.coerce.number().int() }), (context, user, { ref }) => {
    settleScores(context);
    const found = context.state.submissions().find((one) => one.ref === ref && one.username === user.username);
    if (!found) throw permissionDenied('submissions.get');
    return describeSubmission(context, found);
  }),
  ListSubmissions: defineMethod(PageRequest.extend(ByName.shape), (context, user, request) => {
    const { slug } = findCompetition(context, request.competitionName, 'competitions.get');
    if (!context.accounts.hasEntered(user, slug)) throw new WireError(400, 'You do not have a Team in this Competition.');
    settleScores(context);
    const own = ownSubmissions(context, user, slug).toReversed();
    const { items, nextPageToken } = slicePage(own, request, SUBMISSION_PAGE_SIZE);
    return { submissions: items.map((one) => describeSubmission(context, one)), nextPageToken };
  }),
  GetSubmissionLimits: defineMethod(ByName, (context, user, request) => {
    const competition = requireEntry(context, user, request.competitionName);
    settleScores(context);
    const numToday = countToday(context, user, competition.slug);
    const numTotal = ownSubmissions(context, user, competition.slug).length;
    return { numToday, numTotal, numAllowedNow: Math.max(0, competition.facts.maxDailySubmissions - numToday) };
  }),
};

function requireEntry(context: StandInContext, user: StandInUser, name: string): ServedCompetition {
  const competition = findCompetition(context, name, 'competitions.participate');
  if (!context.accounts.hasEntered(user, competition.slug)) throw permissionDenied('competitions.participate');
  return competition;
}

async function createSubmission(
  context: StandInContext,
  user: StandInUser,
  request: { competitionName: string; blobFileTokens: string; submissionDescription?: string | null | undefined },
): Promise<object> {
  const competition = requireEntry(context, user, request.competitionName);
  const { slug, facts } = competition;
  const upload = context.state.findUpload({ token: request.blobFileTokens });
  if (!upload || upload.isUsed || upload.username !== user.username || upload.slug !== slug)
    throw new WireError(400, 'Invalid or already used file token');
  const bytes = await context.storage.readUpload(upload);
  if (!bytes) throw new WireError(400, 'The upload of the file is not complete');
  if (facts.isKernelsSubmissionsOnly)
    throw new WireError(400, 'Submission not allowed: This competition only accepts Submissions from Notebooks.');
  const now = context.now();
  if (facts.submissionsDisabled) throw new WireError(400, 'Submission not allowed: Submissions are disabled for this competition.');
  settleScores(context);
  if (countToday(context, user, slug) >= facts.maxDailySubmissions) throw quotaUsed(facts.maxDailySubmissions, now);
  if (upload.isUsed) throw new WireError(400, 'Invalid or already used file token');
  const ref = context.state.nextRef();
  writeFileSync(join(context.state.submissionsDir, String(ref)), bytes);
  context.state.markUploadUsed(upload);
  context.state.addSubmission({
    ref,
    username: user.username,
    slug,
    fileName: upload.fileName,
    description: request.submissionDescription ?? '',
    bytes: bytes.length,
    submittedAt: now.toISOString(),
    status: 'PENDING',
    publicScore: null,
    privateScore: null,
    errorDescription: '',
  });
  return { message: `Successfully submitted to ${facts.title}`, ref };
}

function quotaUsed(allowance: number, now: Date): WireError {
  const hours = 24 - now.getUTCHours();
  const text = `Submission not allowed: Your team has used its daily Submission allowance (${allowance}) today, please try again tomorrow UTC (${hours} hours from now).`;
  return new WireError(400, text);
}

/** What counts against today's quota: a UTC day's submissions, without those that ended in an error. */
function countToday(context: StandInContext, user: StandInUser, slug: string): number {
  const today = context.now().toISOString().slice(0, 10);
  return ownSubmissions(context, user, slug).filter((one) => one.status !== 'ERROR' && one.submittedAt.startsWith(today)).length;
}

function ownSubmissions(context: StandInContext, user: StandInUser, slug: string): StoredSubmission[] {
  return context.state.submissions().filter((one) => one.username === user.username && one.slug === slug);
}

/** Score what has waited long enough. Done when somebody looks, so that a restart loses nothing and no timer runs. */
export function settleScores(context: StandInContext): void {
  const isDue = (one: StoredSubmission): boolean =>
    one.status === 'PENDING' && new Date(one.submittedAt).getTime() + context.scoringDelayMs <= context.now().getTime();
  for (const submission of context.state.submissions().filter(isDue))
    context.state.changeSubmission(submission.ref, score(context, submission));
}

function score(context: StandInContext, submission: StoredSubmission): Partial<StoredSubmission> {
  const competition = context.competitions.get(submission.slug);
  if (!competition) return { status: 'ERROR', errorDescription: 'The competition is no longer served.' };
  try {
    const bytes = readFileSync(join(context.state.submissionsDir, String(submission.ref)));
    return { status: 'COMPLETE', ...competition.score(bytes) };
  } catch (error) {
    if (error instanceof SubmissionInvalid) return { status: 'ERROR', errorDescription: error.message };
    throw error;
  }
}

function describeSubmission(context: StandInContext, submission: StoredSubmission): object {
  const facts = context.competitions.get(submission.slug)?.facts;
  const isOver = facts !== undefined && context.now() >= new Date(facts.deadline);
  return {
    ref: submission.ref,
    totalBytes: submission.bytes,
    date: new Date(submission.submittedAt),
    description: submission.description,
    errorDescription: submission.errorDescription,
    fileName: submission.fileName,
    publicScore: formatScore(submission.publicScore),
    privateScore: isOver || facts?.showsPrivateScore ? formatScore(submission.privateScore) : '',
    // PENDING is the default value of the enum, and left out like every default.
    status: submission.status === 'PENDING' ? '' : submission.status,
    submittedBy: submission.username,
    submittedByRef: submission.username,
    teamName: submission.username,
    url: `https://www.kaggle.com/submissions/${submission.ref}/${submission.ref}.raw`,
  };
}

/** Five decimals, as Kaggle shows scores; "" while there is none. */
export function formatScore(value: number | null): string {
  return value === null ? '' : value.toFixed(5);
}
