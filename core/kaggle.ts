import { z } from 'zod';

/** The sentence for a URL that is not a competition's: word for word what clients of the original system expect. */
export const NOT_A_COMPETITION_URL = 'URL must be a Kaggle competition URL';

/** A competition's short name as Kaggle spells it: its case is kept, because old competitions have capitals. */
export const CompetitionSlug = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,119}$/, 'A competition slug has only letters, digits and hyphens.');

/** What a person meant, or one sentence saying what is wrong with it. */
export type ParsedCompetition = { ok: true; slug: string; url: string } | { ok: false; message: string };

const MAX_TEXT_LENGTH = 2048;
const URL_PARTS = /^https?:\/\/(?:www\.)?kaggle\.com(\/[^?#]*)(?:[?#].*)?$/is;
const COMPETITION_PATH = /^\/(?:competitions|c)\/([A-Za-z0-9][A-Za-z0-9-]{0,119})(?:\/[^\s\\]*)?$/;
const TRICKY_PATH = /%2f|%5c|%2e|%00|\/\.{1,2}(?:\/|$)/i;

/**
 * Read the competition from a URL given over HTTP: `http(s)`, kaggle.com or www.kaggle.com, no port, no user, `/competitions/<slug>` or
 * `/c/<slug>`, anything after it ignored. The text is matched, never fetched and never resolved; only the slug is kept.
 */
export function parseCompetitionUrl(text: string): ParsedCompetition {
  const trimmed = text.trim();
  const path = trimmed.length <= MAX_TEXT_LENGTH ? URL_PARTS.exec(trimmed)?.[1] : undefined;
  const slug = path === undefined || TRICKY_PATH.test(path) ? undefined : COMPETITION_PATH.exec(path)?.[1];
  return slug === undefined ? { ok: false, message: NOT_A_COMPETITION_URL } : foundCompetition(slug);
}

/**
 * Read the competition from what a person typed: everything `parseCompetitionUrl` takes, also without scheme, in quotes or angle brackets,
 * an inclass.kaggle.com address, a bare slug, or a `kaggle competitions download -c <slug>` line.
 */
export function parseCompetitionRef(text: string): ParsedCompetition {
  const plain = text
    .trim()
    .replace(/^[<"'`]+|[>"'`]+$/g, '')
    .trim();
  const command = /^kaggle\s+(?:competitions|c)\s+.*?(?:-c|--competition)[\s=]+([^\s]+)/.exec(plain)?.[1];
  const word = command ?? plain;
  if (CompetitionSlug.safeParse(word).success && /[A-Za-z]/.test(word)) return foundCompetition(word);
  const address = /^https?:\/\//i.test(word) ? word : `https://${word.replace(/^\/+/, '')}`;
  const parsed = parseCompetitionUrl(address.replace(/^(https?:\/\/)inclass\.kaggle\.com(?=\/c\/)/i, '$1www.kaggle.com'));
  return parsed.ok ? parsed : { ok: false, message: explainRefusal(address) };
}

function foundCompetition(slug: string): ParsedCompetition {
  return { ok: true, slug, url: competitionUrl(slug) };
}

function explainRefusal(address: string): string {
  const kind = /^https?:\/\/(?:www\.)?kaggle\.com\/(datasets|code|models|discussions|learn|notebooks)(?:\/|$)/i.exec(address)?.[1];
  const example = 'Give an address such as https://www.kaggle.com/competitions/titanic, or just the name: titanic.';
  return kind ? `This is a Kaggle ${kind} page, not a competition. ${example}` : `${NOT_A_COMPETITION_URL}. ${example}`;
}

/** The address of a competition's page on Kaggle. */
export function competitionUrl(slug: string): string {
  return `https://www.kaggle.com/competitions/${slug}`;
}

/** The page where a person accepts a competition's rules: only there, never through an API. */
export function competitionRulesUrl(slug: string): string {
  return `${competitionUrl(slug)}/rules`;
}

/** One competition as Kaggle lists it. `evaluationMetric` is a display name and often missing; the direction is never told. */
export interface Competition {
  slug: string;
  title: string;
  url: string;
  description: string;
  category: string;
  reward: string;
  organizationName: string;
  tags: string[];
  deadline: Date | null;
  evaluationMetric: string | null;
  maxDailySubmissions: number;
  teamCount: number;
  userHasEntered: boolean;
  isNotebookOnly: boolean;
  submissionsDisabled: boolean;
}

/** One page of a competition: host-written Markdown or HTML. Untrusted text: data, never instructions. */
export interface CompetitionPage {
  name: string;
  content: string;
}

/** One file of a competition's data; `name` is its path inside the bundle. */
export interface CompetitionFile {
  name: string;
  bytes: number;
  createdAt: Date | null;
}

/** One submission. Scores are null until Kaggle shows them; `status` is `pending` until it is scored. */
export interface SubmissionRecord {
  ref: string;
  status: 'pending' | 'complete' | 'error';
  fileName: string;
  description: string;
  submittedAt: Date | null;
  publicScore: number | null;
  privateScore: number | null;
  errorDescription: string;
}

/** One team's best score on the public leaderboard, best team first. */
export interface LeaderboardRow {
  teamId: string;
  teamName: string;
  score: number | null;
  submittedAt: Date | null;
}

/** What may still be submitted today (Kaggle's day is UTC's). */
export interface SubmissionLimits {
  usedToday: number;
  usedTotal: number;
  allowedNow: number;
}

/** What a download came to: a file that is complete, and checked against Kaggle's md5 when Kaggle gave one. */
export interface Download {
  path: string;
  bytes: number;
  md5: string | null;
  resumed: boolean;
}

/** One file that came out of an archive; `path` is relative to the folder it was unpacked into, with `/`. */
export interface UnpackedFile {
  path: string;
  bytes: number;
}

/** Bounds for unpacking an archive nobody vouches for; going over any of them refuses the whole archive. */
export interface UnpackLimits {
  maxEntries: number;
  maxTotalBytes: number;
  maxFileBytes: number;
  /** Unpacked bytes for one packed byte, over the whole archive; not looked at below 64 MiB. */
  maxRatio: number;
}

/** What every call takes: abort it, and it rejects with the signal's reason. */
export interface KaggleCallOptions {
  signal?: AbortSignal;
}

/** Kaggle as this system uses it. Calls throw `KaggleError`, or the signal's reason when aborted. Reads are retried; spending quota is not. */
export interface Kaggle {
  getCompetition(slug: string, options?: KaggleCallOptions): Promise<Competition>;
  getPages(slug: string, options?: KaggleCallOptions): Promise<CompetitionPage[]>;
  listFiles(slug: string, options?: KaggleCallOptions): Promise<CompetitionFile[]>;
  /** Fetch the whole data bundle as `<dir>/<slug>.zip`, going on where an earlier try stopped. */
  downloadAll(
    slug: string,
    dir: string,
    options?: KaggleCallOptions & { onProgress?: (progress: { bytes: number; totalBytes: number | null }) => void },
  ): Promise<Download>;
  /** Unpack a bundle, and archives inside it one level deep, into `dir`, which must not exist or be empty. All or nothing. */
  unpack(archivePath: string, dir: string, options?: KaggleCallOptions & { limits?: Partial<UnpackLimits> }): Promise<UnpackedFile[]>;
  /** Submit a file. The same file with the same message is submitted once: a second call finds the first (`replayed`). */
  submitFile(
    slug: string,
    path: string,
    message: string,
    options?: KaggleCallOptions,
  ): Promise<{ ref: string; message: string; replayed: boolean }>;
  getSubmission(ref: string, options?: KaggleCallOptions): Promise<SubmissionRecord>;
  listSubmissions(slug: string, options?: KaggleCallOptions): Promise<SubmissionRecord[]>;
  getLeaderboard(slug: string, options?: KaggleCallOptions): Promise<LeaderboardRow[]>;
  getLimits(slug: string, options?: KaggleCallOptions): Promise<SubmissionLimits>;
}

export { KaggleError, type KaggleErrorKind, type KaggleTurn } from './kaggle-error.ts';
