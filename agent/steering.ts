import type { Instruction } from '#core/instruction.ts';
import type { ArtifactStore } from '#core/ports.ts';
import type { Deadline } from './deadline.ts';
import type { Journal } from './journal/journal.ts';
import type { JournalState } from './journal/replay.ts';
import type { JobLog } from './log.ts';
import { MAX_INSTRUCTIONS, StoredInstruction } from '#core/instruction.ts';
import { keys } from '#core/names.ts';
import { describeError } from './errors.ts';

const POLL_MS = 10_000;
const MAX_BYTES = 16 * 1024;

/** What a person tells the job while it runs. */
export interface Steering {
  /** Looks for new ones now; a store that does not answer takes nothing away. */
  poll(): Promise<void>;
  /**
   * The instructions that were not taken yet, in their order. Each is journaled with the turn of the exploration in which it is heard, so that a later
   * attempt, which goes the same way again (`replays`), hears it in the same one.
   */
  take(turn: number, replays: boolean): Promise<readonly Instruction[]>;
  /** Whether the person wants the job to finish with what it has. */
  isFinishing(): boolean;
  close(): void;
}

/** Starts listening. `finish` ends the time that training may use as soon as it is read. */
export function startSteering(parts: {
  readonly store: Pick<ArtifactStore, 'listObjects' | 'readObject'>;
  readonly jobId: string;
  readonly deadline: Pick<Deadline, 'endWork'>;
  readonly earlier: Pick<JournalState, 'instructions'>;
  readonly journal: Pick<Journal, 'append'>;
  readonly log: Pick<JobLog, 'info' | 'warn'>;
  readonly pollMs?: number;
}): Steering {
  const { store, jobId, deadline, earlier, journal, log } = parts;
  const prefix = keys.instructionPrefix(jobId);
  const known = new Set(earlier.instructions.map(({ seq }) => seq));
  const heard = [...earlier.instructions];
  const fresh: StoredInstruction[] = [];
  let after: string | null = null;
  let isFinishing = false;
  let polling: Promise<void> | null = null;

  const finish = (): void => {
    isFinishing = true;
    deadline.endWork();
  };
  const readNew = async (): Promise<void> => {
    for (const { key, bytes } of await store.listObjects({ prefix, after, limit: MAX_INSTRUCTIONS })) {
      const read = bytes > MAX_BYTES ? null : await readInstruction(store, key);
      after = key;
      if (read === null) {
        log.warn(`an instruction that cannot be read is passed over: ${key.slice(prefix.length)}`);
        continue;
      }
      if (known.has(read.seq)) continue;
      known.add(read.seq);
      fresh.push(read);
      log.info(`instruction ${read.seq}: ${describeInstruction(read.instruction)}`);
      if (read.instruction.kind === 'finish') finish();
    }
  };
  const poll = async (): Promise<void> => {
    polling ??= readNew()
      .catch((error: unknown) => log.warn(`instructions cannot be read just now: ${describeError(error)}`))
      .finally(() => {
        polling = null;
      });
    await polling;
  };
  if (heard.some(({ instruction }) => instruction.kind === 'finish')) finish();
  const timer = setInterval(() => void poll(), parts.pollMs ?? POLL_MS);
  timer.unref();
  return {
    poll,
    isFinishing: () => isFinishing,
    async take(turn, replays) {
      const due = heard.filter((each) => !replays || each.turn <= turn);
      for (const each of due) heard.splice(heard.indexOf(each), 1);
      const taken = due.map(({ instruction }) => instruction);
      if (replays) return taken;
      for (let next = fresh.shift(); next !== undefined; next = fresh.shift()) {
        const { seq, instruction } = next;
        await journal.append({ type: 'instructed', seq, turn, instruction });
        taken.push(instruction);
      }
      return taken;
    },
    close: () => clearInterval(timer),
  };
}

async function readInstruction(store: Pick<ArtifactStore, 'readObject'>, key: string): Promise<StoredInstruction | null> {
  const bytes = await store.readObject(key, MAX_BYTES);
  try {
    return bytes === null ? null : StoredInstruction.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return null;
  }
}

/** An instruction as one line for people. */
export function describeInstruction(instruction: Instruction): string {
  if (instruction.kind === 'finish') return 'finish with the best so far';
  return `${instruction.kind} "${instruction.text}"`;
}
