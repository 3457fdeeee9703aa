import test from 'ava';
import type { LanguageModel, ModelFailure, ModelRequest } from '#core/language-model.ts';
import type { JournalFact } from '#agent/journal/entries.ts';
import { ModelError } from '#core/language-model.ts';
import { openLedger } from '#agent/budget/ledger.ts';
import { makePaidCall } from '#agent/budget/paid-call.ts';

const RATES = { input: 1, cacheWrite5m: 1.25, cacheWrite1h: 2, cacheRead: 0.1, output: 10 };
const REQUEST: ModelRequest = { model: 'm', system: ['abc'], user: 'question', maxTokens: 1_000, effort: 'low', schema: {}, keepFor: '1h' };

/** A call whose every try ends so; what was tried, and what was journaled. */
function makeCall({ failure, retryAfterMs = 1 }: { readonly failure: ModelFailure; readonly retryAfterMs?: number }) {
  const facts: JournalFact[] = [];
  let tries = 0;
  const model: LanguageModel = {
    countTokens: async () => null,
    ask: async () => {
      tries += 1;
      throw new ModelError(failure, `it was ${failure}`, { mayCost: failure === 'network', retryAfterMs });
    },
  };
  const ledger = openLedger({ capUsd: 1, spentUsd: 0, attempt: 1, append: async (fact) => void facts.push(fact) });
  const limits = { signal: new AbortController().signal, leftS: () => 100, whyNot: (): string | null => null };
  const call = (change: Partial<typeof limits> = {}) =>
    makePaidCall({ model, ledger, price: { rates: RATES, longPrompt: null } }, REQUEST, { ...limits, ...change });
  return { call, facts, ledger, tries: () => tries };
}

test('nothing is set aside or asked when storage is silent, or the time is over', async (t) => {
  const { call, facts, tries } = makeCall({ failure: 'busy' });
  t.deepEqual(await call({ whyNot: () => 'storage is silent' }), { kind: 'closed', reason: 'storage is silent' });
  t.deepEqual(await call({ leftS: () => 4 }), { kind: 'closed', reason: 'the time for calls is over' });
  t.deepEqual([facts.length, tries()], [0, 0]);
});

test('a wait that is longer than the time that is left is not begun', async (t) => {
  const { call, tries } = makeCall({ failure: 'busy', retryAfterMs: 30_000 });
  t.deepEqual(await call({ leftS: () => 20 }), { kind: 'closed', reason: 'the time for calls is over' });
  t.is(tries(), 1);
});

test('busy is tried five times and costs nothing; a broken connection three times, each charged in full', async (t) => {
  const busy = makeCall({ failure: 'busy' });
  t.like(await busy.call(), { kind: 'closed' });
  t.deepEqual([busy.tries(), busy.ledger.spentUsd()], [5, 0]);
  const broken = makeCall({ failure: 'network' });
  t.like(await broken.call(), { kind: 'closed' });
  t.is(broken.tries(), 3);
  // Nobody could count: a token a byte at the dearest rate of input, and the whole reply.
  const bound = ((3 + 8 + 2 + 500) * 2 + 1_000 * 10) / 1e6;
  t.true(Math.abs(broken.ledger.spentUsd() - 3 * bound) < 1e-9);
});

for (const [failure, kind] of [
  ['request', 'failed'],
  ['too-long', 'failed'],
  ['key', 'closed'],
  ['payment', 'closed'],
] as const) {
  test(`${failure} is not tried again: ${kind}`, async (t) => {
    const { call, tries } = makeCall({ failure });
    t.like(await call(), { kind });
    t.is(tries(), 1);
  });
}
