import type { ArtifactStore, Clock, StoredObject } from '#core/ports.ts';
import { keys } from '#core/names.ts';
import { ClaimLost } from '../errors.ts';
import { createWithRetry, retryUnavailable } from '../storing.ts';
import { hashLine, JournalBroken, NO_PREVIOUS, readLine, verifyJournal, writeLine } from './chain.ts';
import type { JournalEntry, JournalFact } from './entries.ts';

const MAX_SEGMENT_BYTES = 16 * 1024 * 1024;
const LIST_PAGE = 500;

/** The writer of one attempt. Appends are in order; each resolves only when the segment is stored. */
export interface Journal {
  readonly head: () => { readonly seq: number; readonly hash: string };
  /** Stores the next segment. Throws ClaimLost when a later attempt has taken the journal over. */
  append(fact: JournalFact): Promise<JournalEntry>;
  /** Facts that this attempt has written. */
  facts(): readonly JournalFact[];
  /** The lines written and adopted so far, for `journal.jsonl`. */
  lines(): readonly string[];
}

/** What `openJournal` needs; `elapsedS` is the attempt's own clock. */
export interface JournalParams {
  readonly store: ArtifactStore;
  readonly clock: Clock;
  readonly jobId: string;
  readonly attempt: number;
  readonly elapsedS: () => number;
}

/** Facts of the first segment of an attempt that the caller knows. */
export type StartFacts = Omit<Extract<JournalFact, { type: 'attempt-started' }>, 'type' | 'adopted'>;

/**
 * Reads and verifies what earlier attempts left, then writes `attempt-started` with the (seq, hash) that is adopted. Whatever an earlier
 * attempt still writes before that is adopted too; after it, an earlier attempt's writer meets our segment and ends.
 */
export async function openJournal(
  params: JournalParams,
  start: StartFacts,
): Promise<{ journal: Journal; earlier: readonly JournalEntry[] }> {
  const lines = await readSegments(params.store, params.jobId);
  const verified = verifyJournal(lines);
  const entries = [...verified.entries];
  const last = entries.at(-1);
  if (last !== undefined && last.attempt > params.attempt) throw new ClaimLost(`attempt ${last.attempt} already writes this journal`);
  if (last?.attempt === params.attempt) throw new JournalBroken(`attempt ${params.attempt} has already written to its journal`);
  const writer = createWriter(params, lines);
  const journal: Journal = {
    head: writer.head,
    lines: () => writer.lines,
    facts: () => writer.facts,
    append: (fact) => writer.append(() => fact, { adopt: false, entries: null }),
  };
  const adopt = (): JournalFact => {
    const head = writer.head();
    return { type: 'attempt-started', adopted: head.seq === 0 ? null : head, ...start };
  };
  await writer.append(adopt, { adopt: true, entries });
  return { journal, earlier: entries };
}

/** All segments of a job's journal, in order. Throws JournalBroken when one is missing. */
export async function readSegments(store: ArtifactStore, jobId: string): Promise<string[]> {
  const lines: string[] = [];
  const prefix = keys.journalPrefix(jobId);
  let after: string | null = null;
  for (;;) {
    const page = await listPage(store, prefix, after);
    for (const object of page) {
      if (object.key !== keys.journal(jobId, lines.length + 1)) throw new JournalBroken(`journal segment ${lines.length + 1} is missing`);
      lines.push(await readSegment(store, object.key));
    }
    const last = page.at(-1);
    if (last === undefined || page.length < LIST_PAGE) return lines;
    after = last.key;
  }
}

async function listPage(store: ArtifactStore, prefix: string, after: string | null): Promise<StoredObject[]> {
  return retryUnavailable(() => store.listObjects({ prefix, after, limit: LIST_PAGE }));
}

async function readSegment(store: ArtifactStore, key: string): Promise<string> {
  const bytes = await retryUnavailable(() => store.readObject(key, MAX_SEGMENT_BYTES));
  if (bytes === null) throw new JournalBroken(`journal segment ${key} vanished`);
  return Buffer.from(bytes).toString('utf8');
}

interface AppendMode {
  /** Adopt segments of earlier attempts that came in between, instead of ending. */
  readonly adopt: boolean;
  readonly entries: JournalEntry[] | null;
}

function createWriter(params: JournalParams, lines: string[]) {
  const { store, jobId, attempt, clock } = params;
  const head = () => ({ seq: lines.length, hash: lines.length === 0 ? NO_PREVIOUS : hashLine(lines.at(-1) ?? '') });
  const facts: JournalFact[] = [];
  let tail: Promise<unknown> = Promise.resolve();

  async function appendNow(makeFact: () => JournalFact, mode: AppendMode): Promise<JournalEntry> {
    for (;;) {
      const { seq, hash } = head();
      const at = clock.now().toISOString();
      const elapsedS = Math.round(params.elapsedS() * 1000) / 1000;
      const entry: JournalEntry = { seq: seq + 1, previous: hash, at, attempt, elapsedS, fact: makeFact() };
      const line = writeLine(entry);
      const key = keys.journal(jobId, seq + 1);
      const outcome = await createWithRetry(store, { key, body: line, contentType: 'application/json' });
      if (outcome.kind === 'created' || outcome.same) {
        lines.push(line);
        facts.push(entry.fact);
        return entry;
      }
      const winnerLine = await readSegment(store, key);
      const winner = readLine(winnerLine, seq + 1);
      if (winner.attempt >= attempt) throw new ClaimLost(`journal segment ${seq + 1} was written by attempt ${winner.attempt}`);
      if (!mode.adopt || winner.previous !== hash)
        throw new JournalBroken(`attempt ${winner.attempt} wrote segment ${seq + 1} out of turn`);
      lines.push(winnerLine);
      mode.entries?.push(winner);
    }
  }

  return {
    head,
    lines,
    facts,
    append(makeFact: () => JournalFact, mode: AppendMode): Promise<JournalEntry> {
      const result = tail.then(() => appendNow(makeFact, mode));
      tail = result.catch(() => undefined);
      return result;
    },
  };
}
