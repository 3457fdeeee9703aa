import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { JournalEntry } from './entries.ts';

/** What `previous` says in the first line. */
export const NO_PREVIOUS = '0'.repeat(64);

/** A journal that does not hold together: changed, cut or written by something else. */
export class JournalBroken extends Error {
  override name = 'JournalBroken' as const;
}

/** One line as bytes: canonical JSON (RFC 8785), no line end. */
export function writeLine(entry: JournalEntry): string {
  const line = canonicalize(entry);
  if (line === undefined) throw new Error('a journal entry has no JSON form');
  return line;
}

/** SHA-256 of a line, as hex. */
export function hashLine(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}

/** Reads one segment. Throws JournalBroken with its number when it is not a canonical line of ours. */
export function readLine(text: string, seq: number): JournalEntry {
  try {
    const raw: unknown = JSON.parse(text);
    if (canonicalize(raw) !== text) throw new Error('not in canonical form');
    return JournalEntry.parse(raw);
  } catch (error) {
    throw new JournalBroken(`journal segment ${seq} cannot be read`, { cause: error });
  }
}

/** A verified journal: entries in order, and number and hash of its last line. */
export interface VerifiedJournal {
  readonly entries: readonly JournalEntry[];
  readonly lastSeq: number;
  readonly hash: string;
}

/** Checks numbers (gap-free from 1), hashes, and that attempts never go back. Throws JournalBroken, naming the first wrong segment. */
export function verifyJournal(segments: readonly string[]): VerifiedJournal {
  const entries: JournalEntry[] = [];
  let hash = NO_PREVIOUS;
  let attempt = 0;
  for (const [index, text] of segments.entries()) {
    const seq = index + 1;
    const entry = readLine(text, seq);
    if (entry.seq !== seq) throw new JournalBroken(`journal segment ${seq} says that it is ${entry.seq}`);
    if (entry.previous !== hash) throw new JournalBroken(`journal segment ${seq} does not follow from segment ${seq - 1}`);
    if (entry.attempt < attempt) throw new JournalBroken(`journal segment ${seq} is of attempt ${entry.attempt}, after attempt ${attempt}`);
    if (entry.attempt > attempt) checkFirstOfAttempt(entry, { seq: seq - 1, hash });
    attempt = entry.attempt;
    hash = hashLine(text);
    entries.push(entry);
  }
  return { entries, lastSeq: entries.length, hash };
}

function checkFirstOfAttempt(entry: JournalEntry, head: { seq: number; hash: string }): void {
  if (entry.fact.type !== 'attempt-started') throw new JournalBroken(`attempt ${entry.attempt} begins with ${entry.fact.type}`);
  const adopted = entry.fact.adopted;
  const right = head.seq === 0 ? adopted === null : adopted?.seq === head.seq && adopted.hash === head.hash;
  if (!right) throw new JournalBroken(`attempt ${entry.attempt} adopted another journal than the one before it`);
}
