import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { KaggleError } from '#core/kaggle-error.ts';
import type { SubmissionRecord } from '#core/kaggle.ts';
import { readRetryAfterMs, refusalToError } from './refusals.ts';
import { checkStorageUrl } from './storage-url.ts';
import { callRpc, fetchOnce, retryReads, withTimeout, type TransportSettings } from './transport.ts';
import { CreateSubmissionReply, StartUploadReply } from './wire.ts';

const UPLOAD_TIMEOUT_MS = 30 * 60_000;
const LOST_REPLY_LOOKS = 3;
const LOST_REPLY_WAIT_MS = 2_000;

/** What to submit, and how to see what was submitted before. */
export interface SubmitOrder {
  slug: string;
  path: string;
  message: string;
  signal: AbortSignal | undefined;
  listSubmissions: () => Promise<SubmissionRecord[]>;
}

/**
 * Submit a file in Kaggle's three steps. The description carries the file's hash, so the same file and message are never submitted twice:
 * an earlier submission is returned instead (`replayed`), and a lost answer is looked up, never sent again blindly.
 */
export async function submitFile(
  settings: TransportSettings,
  order: SubmitOrder,
): Promise<{ ref: string; message: string; replayed: boolean }> {
  const info = await stat(order.path).catch((cause: unknown) => {
    throw new KaggleError('refused', `There is no file ${basename(order.path)} to submit. Check the path.`, { cause });
  });
  const description = await describeSubmission(order);
  const before = findSame(await order.listSubmissions(), order.path, description);
  if (before) return { ref: before.ref, message: 'Already submitted before.', replayed: true };
  const token = await uploadFile(settings, order, info);
  try {
    const body = { competitionName: order.slug, blobFileTokens: token, submissionDescription: description };
    const reply = await callRpc(
      settings,
      { method: 'CreateSubmission', body, slug: order.slug, signal: order.signal, once: true },
      CreateSubmissionReply,
    );
    return { ...reply, replayed: false };
  } catch (error) {
    return lookForLostReply(settings, order, description, error);
  }
}

/** Plain words only: some characters in descriptions have been refused. The hash makes a second submission recognisable. */
async function describeSubmission(order: SubmitOrder): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(order.path)) hash.update(chunk);
  const plain = order.message
    .replace(/[^\p{L}\p{N} .,:;()_+-]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200);
  return `${plain} sha256 ${hash.digest('hex').slice(0, 16)}`.trim();
}

function findSame(submissions: SubmissionRecord[], path: string, description: string): SubmissionRecord | null {
  return submissions.find((one) => one.fileName === basename(path) && one.description === description) ?? null;
}

/** After an answer that may have been lost on the way, the submission may exist: look for it, a few times, before giving up. */
async function lookForLostReply(settings: TransportSettings, order: SubmitOrder, description: string, error: unknown) {
  order.signal?.throwIfAborted();
  const mayHaveHappened = error instanceof KaggleError && ['network', 'unavailable', 'invalid-response'].includes(error.kind);
  if (!mayHaveHappened) throw error;
  for (let look = 0; look < LOST_REPLY_LOOKS; look += 1) {
    const found = findSame(await order.listSubmissions(), order.path, description);
    if (found) return { ref: found.ref, message: 'Submitted; the answer was lost and the submission found in the list.', replayed: true };
    if (look < LOST_REPLY_LOOKS - 1) await settings.sleep(LOST_REPLY_WAIT_MS, order.signal);
  }
  const advice =
    'It is not known whether the submission was made. Look at the competition’s submissions, then submit again: a submission that arrived is recognised.';
  throw new KaggleError('network', `Kaggle's answer to the submission was lost. ${advice}`, {
    cause: error,
    status: error.status,
    path: error.path,
  });
}

/** Steps one and two: they spend no quota, so a broken upload is continued, and an expired one begun again. */
async function uploadFile(settings: TransportSettings, order: SubmitOrder, info: Stats): Promise<string> {
  return retryReads(settings, order, async () => {
    const { token, createUrl } = await callRpc(
      settings,
      {
        method: 'StartSubmissionUpload',
        body: {
          competitionName: order.slug,
          contentLength: info.size,
          lastModifiedEpochSeconds: Math.floor(info.mtimeMs / 1000),
          fileName: basename(order.path),
        },
        slug: order.slug,
        signal: order.signal,
        once: true,
      },
      StartUploadReply,
    );
    await putFile(settings, order, checkStorageUrl(settings, createUrl), info.size);
    return token;
  });
}

async function putFile(settings: TransportSettings, order: SubmitOrder, url: string, size: number): Promise<void> {
  let offset = 0;
  for (let tries = 0; tries < settings.maxTries; tries += 1) {
    const response = await putFrom(settings, order, url, { offset, size }).catch((error: unknown) => {
      order.signal?.throwIfAborted();
      if (error instanceof KaggleError && error.kind === 'network') return null;
      throw error;
    });
    if (response && (response.status === 200 || response.status === 201)) return;
    if (response && response.status !== 308 && response.status < 500) throw uploadRefusal(settings, response, order.slug, url);
    const probe = await putFrom(settings, order, url, { offset: size, size });
    if (probe.status === 200 || probe.status === 201) return;
    if (probe.status !== 308) throw uploadRefusal(settings, probe, order.slug, url);
    const last = /bytes=0-(\d+)/.exec(probe.headers.get('range') ?? '')?.[1];
    offset = last === undefined ? 0 : Number(last) + 1;
  }
  throw new KaggleError('network', 'The upload to Kaggle broke off again and again. Check the network, then try again.');
}

/** PUT the file from `offset` on; at its end, only ask how much has arrived. */
async function putFrom(
  settings: TransportSettings,
  order: SubmitOrder,
  url: string,
  part: { offset: number; size: number },
): Promise<Response> {
  const { offset, size } = part;
  const isProbe = offset >= size && size > 0;
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'content-length': String(isProbe ? 0 : size - offset),
  };
  if (isProbe) headers['content-range'] = `bytes */${size}`;
  else if (offset > 0) headers['content-range'] = `bytes ${offset}-${size - 1}/${size}`;
  const body = isProbe || size === 0 ? new Uint8Array() : await readTail(order.path, offset, size);
  const signal = withTimeout(order.signal, UPLOAD_TIMEOUT_MS);
  const response = await fetchOnce(settings, url, { method: 'PUT', headers, body, signal, outerSignal: order.signal });
  await response.body?.cancel();
  return response;
}

async function readTail(path: string, offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(size - offset);
    const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, offset);
    if (bytesRead !== bytes.byteLength)
      throw new KaggleError('refused', `${basename(path)} changed while it was uploaded. Submit it again.`);
    return bytes;
  } finally {
    await file.close();
  }
}

function uploadRefusal(settings: TransportSettings, response: Response, slug: string, url: string): KaggleError {
  const path = new URL(url).pathname;
  const { status } = response;
  if ([400, 401, 403, 404, 410].includes(status)) {
    return new KaggleError('expired-url', 'The upload address has expired; a new one is asked for.', { status, path, retryAfterMs: 0 });
  }
  const retryAfterMs = readRetryAfterMs(response.headers.get('retry-after'), settings.now());
  return refusalToError({ status, body: '', path, slug, retryAfterMs, now: settings.now() });
}
