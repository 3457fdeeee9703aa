import { setTimeout as delay } from 'node:timers/promises';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunContext, Task } from '../context.ts';
import type { Search } from '../search/search.ts';
import type { SubmissionRecord } from '#core/kaggle.ts';
import { describeError } from '../errors.ts';
import { nameSubmission } from '../report/plain-csv.ts';

const SCORE_WAIT_S = 120;
const SCORE_POLL_MS = 500;
/** Nothing is spent by an attempt that could not say that it lives for this long. */
const MAX_SILENCE_S = 60;

/** What Kaggle's leaderboard says of the submission; nulls where it says nothing. */
export type Leaderboard = { public: number | null; private: number | null; ref: string | null };

/**
 * Sends the final file to Kaggle, when the job asks for it: once per job. The intent is journaled first; a later attempt finds it and does
 * not send another file. `hurry` ends the wait for the score. A refusal does not take the result away: it becomes a note.
 */
export async function submitToKaggle(run: RunContext, task: Task, search: Search, hurry: AbortSignal): Promise<Leaderboard | null> {
  const best = search.keeper.best;
  if (!run.spec.submitToKaggle || best === null) return null;
  if (task.competition.isNotebookOnly) return refuse(run, 'This competition takes notebooks only: the file was not sent to Kaggle.');
  if (run.voice.secondsSinceStored() > MAX_SILENCE_S) return refuse(run, 'Storage does not answer: the file was not sent to Kaggle.');
  const earlier = [...run.earlier.reservations.values()].find((reservation) => reservation.what === 'kaggle-submission');
  try {
    if (earlier !== undefined && earlier.contentSha256 !== best.sha256) return await reportEarlier(run, earlier.outcome, hurry);
    const id = `kaggle-${best.sha256.slice(0, 16)}`;
    if (earlier === undefined) {
      await run.journal.append({ type: 'reserved', id, what: 'kaggle-submission', usd: 0, contentSha256: best.sha256 });
    }
    run.voice.update({ message: 'sending the file to Kaggle' });
    const path = await nameForKaggle(run, task, best.originalPath);
    // The client finds an earlier submission of the same file and message, and sends nothing then.
    const message = `kaggle-agent job ${run.spec.jobId}`;
    const sent = await run.kaggle.submitFile(run.spec.slug, path, message, { signal: run.signal });
    run.log.info(`sent to Kaggle: submission ${sent.ref}${sent.replayed ? ' (it was there already)' : ''}`);
    if (earlier?.open !== false) await run.journal.append({ type: 'settled', id, usd: 0, outcome: sent.ref });
    return await waitForScore(run, sent.ref, hurry);
  } catch (error) {
    return refuse(run, `Kaggle did not take the file: ${describeError(error)}`);
  }
}

function refuse(run: RunContext, note: string): null {
  run.notes.push(note);
  run.log.warn(note);
  return null;
}

async function reportEarlier(run: RunContext, ref: string | null, hurry: AbortSignal): Promise<Leaderboard | null> {
  if (ref === null)
    return refuse(run, 'An earlier attempt was about to send another file to Kaggle: none was sent after it. See the list of submissions.');
  refuse(run, 'An earlier attempt sent its file to Kaggle: the scores are of that one.');
  return waitForScore(run, ref, hurry);
}

/** Kaggle shows the file's name; some competitions want an exact one. */
async function nameForKaggle(run: RunContext, task: Task, path: string): Promise<string> {
  const dir = join(run.workDir, 'to-kaggle');
  await mkdir(dir, { recursive: true });
  const named = join(dir, nameSubmission(task.profile.submission));
  await copyFile(path, named);
  return named;
}

async function waitForScore(run: RunContext, ref: string, hurry: AbortSignal): Promise<Leaderboard> {
  const untilS = run.deadline.elapsedS() + Math.min(SCORE_WAIT_S, Math.max(1, run.deadline.remainingS() - 2));
  let record: SubmissionRecord | null = null;
  while (run.deadline.elapsedS() < untilS && !hurry.aborted) {
    record = await run.kaggle.getSubmission(ref, { signal: run.signal });
    if (record.status !== 'pending') break;
    await delay(SCORE_POLL_MS, undefined, { signal: hurry }).catch(() => undefined);
  }
  if (record?.status === 'error') refuse(run, `Kaggle could not score the file: ${record.errorDescription}`);
  else if (record?.status !== 'complete') refuse(run, 'Kaggle had not scored the file yet when this attempt ended.');
  return { public: record?.publicScore ?? null, private: record?.privateScore ?? null, ref };
}
