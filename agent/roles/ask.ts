import { createHash } from 'node:crypto';
import type { ModelRequest } from '#core/language-model.ts';
import type { RunContext } from '../context.ts';
import type { CallLimits, CallOutcome } from '../budget/paid-call.ts';
import type { JournalState, StoredReply } from '../journal/replay.ts';
import type { BudgetLedger } from '../budget/ledger.ts';
import type { Answer, AnswerKind } from './replies.ts';
import { keys } from '#core/names.ts';
import { describeIssues } from '../evaluate/describe-issues.ts';
import { createWithRetry, retryUnavailable } from '../storing.ts';
import { makePaidCall } from '../budget/paid-call.ts';
import { findFault, Reply, REPLY_SCHEMA } from './replies.ts';
import { z } from 'zod';

/** A question of one role. `kinds`: the answers that it takes. */
export interface Question {
  readonly role: 'analyst' | 'planner' | 'drafter' | 'improver' | 'fuser' | 'debugger' | 'reviewer' | 'ablation-reader' | 'librarian';
  readonly strength: 'strong' | 'cheap';
  readonly text: string;
  /** How much time is left, in words; told besides. A later attempt, which has less, still asks the same question. */
  readonly timeLeft?: string;
  readonly kinds: readonly AnswerKind[];
  readonly maxTokens: number;
}

/** What came of a question: an answer of a kind that it takes; `failed` = none came of this one; `closed` = none will come any more. */
const Outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answer'), answer: Reply.shape.answer }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
  z.object({ kind: z.literal('closed'), reason: z.string() }),
]);
export type Outcome = z.infer<typeof Outcome>;

/** With the seconds that were left for exploring when it first came, by which a later attempt decides the same; null = not known any more. */
export type Asked = Outcome & { readonly leftS: number | null };

/** Asks Claude. */
export interface Asker {
  ask(question: Question): Promise<Asked>;
  /** Puts something behind what every further question comes after. */
  tellAll(text: string): void;
  /** Whether it still goes an earlier attempt's way. */
  isReplaying(): boolean;
  /** Whether an earlier attempt's answer is kept for the question that comes next, as far as one can tell. */
  isNextKept(): boolean;
}

const MOST_STORED_BYTES = 1024 * 1024;

/**
 * An asker whose answers are stored before anybody acts on them: a later attempt that asks the same questions reads them instead
 * of paying again. `first`: what every question comes after; `follows`: with several workers, whether they still go an earlier attempt's way.
 */
export function createAsker(
  run: RunContext,
  ledger: BudgetLedger,
  first: readonly string[],
  limits: CallLimits,
  follows: (() => boolean) | null = null,
): Asker {
  let system = first;
  let index = 0;
  let isReplaying = run.earlier.replies.size > 0;
  const kept = sortByQuestion(run.earlier.replies);
  return {
    isReplaying: () => follows?.() ?? isReplaying,
    isNextKept: () => follows?.() ?? (isReplaying && run.earlier.replies.has(index + 1)),
    tellAll: (text) => {
      system = [...system.slice(0, -1), `${system.at(-1) ?? ''}\n${text}`];
    },
    async ask(question) {
      index += 1;
      const call = index;
      const request = writeRequest(run, system, question, question.timeLeft ?? '');
      const requestSha256 = hash(JSON.stringify(writeRequest(run, system, question, '')));
      const stored = await readStored(run, kept, requestSha256);
      if (stored !== null) return stored;
      // From here on it goes another way than the attempt before.
      isReplaying = false;
      const outcome = await askNow(run, ledger, request, question, limits);
      const leftS = Math.round(1000 * limits.leftS()) / 1000;
      const fact = { call, role: question.role, requestSha256, leftS };
      if (outcome.kind !== 'closed') await store(run, fact, outcome);
      return { ...outcome, leftS };
    },
  };
}

function writeRequest(run: RunContext, system: readonly string[], question: Question, timeLeft: string): ModelRequest {
  const { table } = needModel(run);
  return {
    model: table[question.strength],
    system,
    user: `${question.text}${timeLeft === '' ? '' : `\n\n${timeLeft}`}\n\nAnswer with one of these kinds: ${question.kinds.join(', ')}.`,
    maxTokens: question.maxTokens,
    effort: question.strength === 'strong' ? 'medium' : 'low',
    schema: REPLY_SCHEMA,
    keepFor: '1h',
  };
}

function needModel(run: RunContext) {
  if (run.model === null) throw new Error('there is no language model to be asked');
  return run.model;
}

async function askNow(
  run: RunContext,
  ledger: BudgetLedger,
  request: ModelRequest,
  question: Question,
  limits: CallLimits,
): Promise<Outcome> {
  const { client, table } = needModel(run);
  const price = table.prices[request.model];
  if (price === undefined) throw new Error(`${request.model} has no price`);
  const parts = { model: client, ledger, price };
  const first = readOutcome(await run.stopwatch.measure('claude', () => makePaidCall(parts, request, limits)), question.kinds);
  if (first.kind !== 'wrong') return first;
  run.log.info(`Claude (${question.role}) answered wrongly: ${first.fault}`);
  // One turn to put it right, in the same question: what came is not shown again.
  const again = { ...request, user: `${request.user}\n\nAn earlier answer was refused: ${first.fault}. Answer anew, and completely.` };
  const second = readOutcome(await run.stopwatch.measure('claude', () => makePaidCall(parts, again, limits)), question.kinds);
  return second.kind === 'wrong' ? { kind: 'failed', reason: `Claude answered wrongly twice: ${second.fault}`.slice(0, 500) } : second;
}

type Read = Outcome | { readonly kind: 'wrong'; readonly fault: string };

/** A reply that is cut off or of another form is no answer, and nothing of it is used. */
function readOutcome(outcome: CallOutcome, kinds: readonly AnswerKind[]): Read {
  if (outcome.kind !== 'reply') return outcome;
  const { text, end } = outcome.reply;
  if (end === 'refused') return { kind: 'failed', reason: 'Claude refused to answer' };
  if (end === 'cut') return { kind: 'wrong', fault: 'it was cut off; be shorter' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'wrong', fault: 'it is no JSON' };
  }
  const parsed = Reply.safeParse(value);
  if (!parsed.success) return { kind: 'wrong', fault: describeIssues(parsed.error).slice(0, 500) };
  const answer: Answer = parsed.data.answer;
  if (!kinds.includes(answer.kind)) return { kind: 'wrong', fault: `its kind is ${answer.kind}, not ${kinds.join(' or ')}` };
  const fault = findFault(answer);
  return fault === null ? { kind: 'answer', answer } : { kind: 'wrong', fault };
}

/** Stored answers by their questions, those of one question in their order: several workers do not ask in the same order again. */
function sortByQuestion(replies: JournalState['replies']): Map<string, StoredReply[]> {
  const sorted = new Map<string, StoredReply[]>();
  for (const [, reply] of [...replies].toSorted(([left], [right]) => left - right)) {
    sorted.set(reply.requestSha256, [...(sorted.get(reply.requestSha256) ?? []), reply]);
  }
  return sorted;
}

async function readStored(run: RunContext, kept: Map<string, StoredReply[]>, requestSha256: string): Promise<Asked | null> {
  const known = kept.get(requestSha256)?.shift();
  if (known === undefined) return null;
  const bytes = await retryUnavailable(() => run.store.readObject(known.key, MOST_STORED_BYTES));
  if (bytes === null || hash(bytes) !== known.sha256) return null;
  return { ...Outcome.parse(JSON.parse(Buffer.from(bytes).toString('utf8'))), leftS: known.leftS };
}

async function store(run: RunContext, fact: Omit<StoredReply, 'type' | 'key' | 'sha256'>, outcome: Outcome): Promise<void> {
  const body = JSON.stringify(outcome);
  const key = keys.reply(run.spec.jobId, run.spec.attempt, fact.call);
  await run.stopwatch.measure('store', () => createWithRetry(run.store, { key, body, contentType: 'application/json' }));
  await run.journal.append({ type: 'replied', ...fact, key, sha256: hash(body) });
}

function hash(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
