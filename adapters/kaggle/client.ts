import { z } from 'zod';
import type { CompetitionFile, Kaggle, KaggleCallOptions, LeaderboardRow, SubmissionRecord } from '#core/kaggle.ts';
import { CompetitionSlug } from '#core/kaggle.ts';
import { KaggleError } from '#core/kaggle-error.ts';
import { downloadFile } from './download.ts';
import { submitFile } from './submit.ts';
import { callRpc, DEFAULT_TRANSPORT, type KaggleCredentials, type TransportSettings } from './transport.ts';
import { unpackArchive } from './unpack.ts';
import {
  CompetitionReply,
  FilesReply,
  IntrospectReply,
  LeaderboardReply,
  LimitsReply,
  PagesReply,
  SubmissionReply,
  SubmissionsReply,
} from './wire.ts';

export type { KaggleCredentials } from './transport.ts';

const MAX_PAGES = 2_000;
const PAGE_SIZE = 200;
const DEFAULT_MAX_DOWNLOAD_BYTES = 64 * 1024 ** 3;

/** How to reach Kaggle. `baseUrl` is `https://api.kaggle.com/v1`, or `http://127.0.0.1:<port>/api/v1` for the stand-in. */
export type KaggleClientOptions = { credentials: KaggleCredentials | null; maxDownloadBytes?: number } & Partial<
  Omit<TransportSettings, 'credentials'>
>;

/** Kaggle, and who the credentials belong to. */
export interface KaggleClient extends Kaggle {
  /** The account's name, or null when Kaggle does not know the credentials. */
  whoAmI(options?: KaggleCallOptions): Promise<string | null>;
}

/** A client of Kaggle's RPC interface. Credentials are given as a value and never appear in an error or a log. */
export function createKaggleClient(options: KaggleClientOptions): KaggleClient {
  const { maxDownloadBytes = DEFAULT_MAX_DOWNLOAD_BYTES, ...given } = options;
  const settings: TransportSettings = {
    ...DEFAULT_TRANSPORT,
    ...given,
    baseUrl: (given.baseUrl ?? DEFAULT_TRANSPORT.baseUrl).replace(/\/+$/, ''),
  };

  const listSubmissions = (slug: string, call: KaggleCallOptions = {}): Promise<SubmissionRecord[]> =>
    readAllPages((pageToken) =>
      ask(settings, 'ListSubmissions', slug, { pageSize: PAGE_SIZE, pageToken }, call, SubmissionsReply).then((reply) => ({
        items: reply.submissions,
        nextPageToken: reply.nextPageToken,
      })),
    );

  return {
    getCompetition: (slug, call = {}) => ask(settings, 'GetCompetition', slug, {}, call, CompetitionReply),
    getPages: async (slug, call = {}) => (await ask(settings, 'ListCompetitionPages', slug, {}, call, PagesReply)).pages,
    listFiles: (slug, call = {}) => listFiles(settings, slug, call),
    downloadAll: async (slug, dir, call = {}) => {
      const rpc = { method: 'DownloadDataFiles', body: { competitionName: requireSlug(slug) }, slug, signal: call.signal };
      return downloadFile(settings, { call: rpc, dir, fileName: `${slug}.zip`, maxBytes: maxDownloadBytes, onProgress: call.onProgress });
    },
    unpack: (archivePath, dir, call = {}) => unpackArchive(archivePath, dir, call),
    submitFile: async (slug, path, message, call = {}) =>
      submitFile(settings, {
        slug: requireSlug(slug),
        path,
        message,
        signal: call.signal,
        listSubmissions: () => listSubmissions(slug, call),
      }),
    getSubmission: (ref, call = {}) => getSubmission(settings, ref, call),
    listSubmissions,
    getLeaderboard: (slug, call = {}) => getLeaderboard(settings, slug, call),
    getLimits: async (slug, call = {}) => {
      const limits = await ask(settings, 'GetSubmissionLimits', slug, {}, call, LimitsReply);
      return { usedToday: limits.numToday, usedTotal: limits.numTotal, allowedNow: limits.numAllowedNow };
    },
    whoAmI: (call = {}) => whoAmI(settings, call),
  };
}

async function ask<T extends z.ZodType>(
  settings: TransportSettings,
  method: string,
  slug: string,
  body: Record<string, unknown>,
  call: KaggleCallOptions,
  schema: T,
): Promise<z.output<T>> {
  const filled = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== ''));
  const competitionName = requireSlug(slug);
  return callRpc(settings, { method, body: { competitionName, ...filled }, slug, signal: call.signal }, schema);
}

/** The slug becomes part of file names and addresses: refuse anything else before it gets there. */
function requireSlug(slug: string): string {
  if (CompetitionSlug.safeParse(slug).success) return slug;
  throw new KaggleError(
    'not-found-or-private',
    `${JSON.stringify(slug.slice(0, 120))} is not the name of a Kaggle competition. Give its slug, such as titanic.`,
  );
}

/** All pages of a listing. Ends on an empty page or a repeated token: huge competitions have been seen to give both. */
async function readAllPages<T>(readPage: (pageToken: string) => Promise<{ items: T[]; nextPageToken: string }>): Promise<T[]> {
  const all: T[] = [];
  const seen = new Set<string>();
  let pageToken = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { items, nextPageToken } = await readPage(pageToken);
    all.push(...items);
    if (items.length === 0 || nextPageToken === '' || seen.has(nextPageToken)) return all;
    seen.add(nextPageToken);
    pageToken = nextPageToken;
  }
  return all;
}

function listFiles(settings: TransportSettings, slug: string, call: KaggleCallOptions): Promise<CompetitionFile[]> {
  return readAllPages(async (pageToken) => {
    const reply = await ask(settings, 'ListDataFiles', slug, { pageSize: PAGE_SIZE, pageToken }, call, FilesReply);
    return { items: reply.files, nextPageToken: reply.nextPageToken };
  });
}

async function getSubmission(settings: TransportSettings, ref: string, call: KaggleCallOptions): Promise<SubmissionRecord> {
  if (!/^\d{1,15}$/.test(ref)) throw new KaggleError('refused', 'A submission is named by a number. Take it from the list of submissions.');
  return callRpc(settings, { method: 'GetSubmission', body: { ref: Number(ref) }, slug: null, signal: call.signal }, SubmissionReply);
}

function getLeaderboard(settings: TransportSettings, slug: string, call: KaggleCallOptions): Promise<LeaderboardRow[]> {
  return readAllPages(async (pageToken) => {
    const reply = await ask(settings, 'GetLeaderboard', slug, { pageSize: PAGE_SIZE, pageToken }, call, LeaderboardReply);
    return { items: reply.submissions, nextPageToken: reply.nextPageToken };
  });
}

async function whoAmI(settings: TransportSettings, call: KaggleCallOptions): Promise<string | null> {
  const { credentials } = settings;
  if (credentials === null) return null;
  const token = 'token' in credentials ? credentials.token : credentials.key.startsWith('KGAT_') ? credentials.key : null;
  try {
    if (token !== null) {
      const rpc = { service: 'security.OAuthService', method: 'IntrospectToken', body: { token }, slug: null, signal: call.signal };
      const reply = await callRpc(settings, rpc, IntrospectReply);
      return reply.active && reply.username !== '' ? reply.username : null;
    }
    await callRpc(settings, { method: 'ListCompetitions', body: { pageSize: 1 }, slug: null, signal: call.signal }, z.object({}));
    return 'username' in credentials ? credentials.username : null;
  } catch (error) {
    if (error instanceof KaggleError && (error.kind === 'unauthenticated' || error.status === 403 || error.status === 404)) return null;
    throw error;
  }
}
