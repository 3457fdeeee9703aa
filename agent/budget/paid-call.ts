import { setTimeout as delay } from 'node:timers/promises';
import type { LanguageModel, ModelReply, ModelRequest } from '#core/language-model.ts';
import type { BudgetLedger, Reserved } from './ledger.ts';
import type { ModelPrice } from './prices.ts';
import { ModelError } from '#core/language-model.ts';
import { stopped } from '../errors.ts';
import { boundOf, costOf } from './prices.ts';

/** Why no reply came: `closed` = no further call makes sense in this run; `failed` = this one did not work. */
export type CallOutcome =
  | { readonly kind: 'reply'; readonly reply: ModelReply }
  | { readonly kind: 'closed'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

/** What a call may use besides money. */
export interface CallLimits {
  readonly signal: AbortSignal;
  /** Seconds that are left for calls and what comes of them. */
  leftS(): number;
  /** Null, or why nothing may be spent now. */
  whyNot(): string | null;
}

const MOST_TRIES = 5;
const MOST_BROKEN = 2;
const MOST_WAIT_MS = 60_000;
const FIRST_WAIT_MS = 1_000;
const MOST_CALL_S = 600;
const LEAST_S = 5;
const COUNT_TIMEOUT_MS = 15_000;
/** What the API puts around the texts of a request. */
const ENVELOPE_TOKENS = 500;

/**
 * One question, tried until it is answered or cannot be. Before each try its greatest possible cost is reserved; a try whose cost nobody knows is
 * charged in full. Waits as the provider asks, up to a minute.
 */
export async function makePaidCall(
  parts: { readonly model: LanguageModel; readonly ledger: BudgetLedger; readonly price: ModelPrice },
  request: ModelRequest,
  limits: CallLimits,
): Promise<CallOutcome> {
  const { model, ledger, price } = parts;
  const boundUsd = boundOf(price, await countInput(model, request, limits), request.maxTokens);
  let broken = 0;
  for (let tries = 1; ; tries += 1) {
    const refused = limits.whyNot() ?? (limits.leftS() < LEAST_S ? 'the time for calls is over' : null);
    if (refused !== null) return { kind: 'closed', reason: refused };
    const reserved = await ledger.reserve(boundUsd);
    if (reserved === null) return { kind: 'closed', reason: describeEmpty(ledger, boundUsd) };
    const outcome = await tryOnce(model, request, limits, reserved, price);
    if (outcome instanceof ModelError) {
      if (limits.signal.aborted) throw stopped();
      const end = judge(outcome, tries, (broken += outcome.failure === 'network' ? 1 : 0));
      if (end !== null) return end;
      const waitMs = Math.min(MOST_WAIT_MS, outcome.retryAfterMs ?? FIRST_WAIT_MS * 2 ** (tries - 1));
      if (waitMs / 1000 >= limits.leftS()) return { kind: 'closed', reason: 'the time for calls is over' };
      await delay(waitMs, undefined, { signal: limits.signal }).catch(() => {
        throw stopped();
      });
    } else return { kind: 'reply', reply: outcome };
  }
}

/** As the provider counts; else one token a byte, which is more than any. */
async function countInput(model: LanguageModel, request: ModelRequest, limits: CallLimits): Promise<number> {
  const counted = await model.countTokens(request, { signal: limits.signal, timeoutMs: COUNT_TIMEOUT_MS });
  const schemaBytes = Buffer.byteLength(JSON.stringify(request.schema));
  // The schema is not part of what is counted.
  if (counted !== null) return counted + schemaBytes + ENVELOPE_TOKENS;
  return [...request.system, request.user].reduce((sum, text) => sum + Buffer.byteLength(text), schemaBytes + ENVELOPE_TOKENS);
}

async function tryOnce(
  model: LanguageModel,
  request: ModelRequest,
  limits: CallLimits,
  reserved: Reserved,
  price: ModelPrice,
): Promise<ModelReply | ModelError> {
  try {
    const timeoutMs = Math.ceil(1000 * Math.min(MOST_CALL_S, limits.leftS()));
    const reply = await model.ask(request, { signal: limits.signal, timeoutMs });
    await reserved.settle(costOf(price, reply.usage), reply.end);
    return reply;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    await reserved.settle(error.mayCost ? null : 0, error.failure);
    return error;
  }
}

function judge(error: ModelError, tries: number, broken: number): CallOutcome | null {
  if (error.failure === 'key' || error.failure === 'payment') return { kind: 'closed', reason: error.message };
  if (error.failure === 'request' || error.failure === 'too-long') return { kind: 'failed', reason: error.message };
  if (tries >= MOST_TRIES || broken > MOST_BROKEN) return { kind: 'closed', reason: `${error.message}; ${tries} tries` };
  return null;
}

function describeEmpty(ledger: BudgetLedger, neededUsd: number): string {
  const [cap, used] = [ledger.capUsd, ledger.committedUsd()].map((usd) => usd.toFixed(4));
  return `the budget of $${cap} does not allow another call: $${used} are spent or set aside, and it could cost $${neededUsd.toFixed(4)}`;
}
