import fc from 'fast-check';
import test from 'ava';
import type { JournalEntry, JournalFact } from '#agent/journal/entries.ts';
import { openLedger } from '#agent/budget/ledger.ts';
import type { Reserved } from '#agent/budget/ledger.ts';
import { replayJournal } from '#agent/journal/replay.ts';

/** A ledger whose journal is a list; `slow`: an append resolves only when told to. */
function makeLedger(capUsd: number, spentUsd = 0, attempt = 1) {
  const facts: JournalFact[] = [];
  const ledger = openLedger({
    capUsd,
    spentUsd,
    attempt,
    append: async (fact) => {
      await Promise.resolve();
      facts.push(fact);
    },
  });
  return { ledger, facts };
}

/** What a later attempt makes of the facts. */
function replay(facts: readonly JournalFact[]) {
  const previous = '0'.repeat(64);
  const entries: JournalEntry[] = facts.map((fact, index) => ({
    seq: index + 1,
    previous,
    at: '2026-01-01T00:00:00.000Z',
    attempt: 1,
    elapsedS: 0,
    fact,
  }));
  return replayJournal(entries);
}

test('money is set aside before a call, and what was not used comes back', async (t) => {
  const { ledger, facts } = makeLedger(1);
  const reserved = await ledger.reserve(0.6);
  t.is(ledger.committedUsd(), 0.6);
  t.is(await ledger.reserve(0.5), null, 'the rest does not suffice');
  await reserved?.settle(0.2, 'answered');
  t.is(ledger.spentUsd(), 0.2);
  t.truthy(await ledger.reserve(0.8));
  t.deepEqual(
    facts.map(({ type }) => type),
    ['reserved', 'settled', 'reserved'],
  );
});

test('an unknown end is charged in full, one above the bound as the bound, and nothing twice', async (t) => {
  const { ledger } = makeLedger(1);
  const unknown = await ledger.reserve(0.3);
  await unknown?.settle(null, 'unknown');
  t.is(ledger.spentUsd(), 0.3);
  const above = await ledger.reserve(0.3);
  await above?.settle(5, 'answered');
  t.is(ledger.spentUsd(), 0.6);
  await t.throwsAsync(above?.settle(0, 'again') ?? Promise.resolve(), { message: /settled already/ });
});

test('what earlier attempts spent or left open is not spent again', async (t) => {
  const { ledger, facts } = makeLedger(1);
  await (await ledger.reserve(0.2))?.settle(0.1, 'answered');
  await ledger.reserve(0.5);
  const { spentUsd } = replay(facts);
  t.true(Math.abs(spentUsd - 0.6) < 1e-12, 'the open one counts in full');
  const next = makeLedger(1, spentUsd, 2);
  t.is(await next.ledger.reserve(0.41), null);
  t.truthy(await next.ledger.reserve(0.4));
});

test('no order of reserving and settling goes above the cap, or charges less than was truly spent', async (t) => {
  const step = fc.record({
    usd: fc.double({ min: 0, max: 0.4, noNaN: true }),
    usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
    end: fc.constantFrom('known' as const, 'unknown' as const, 'open' as const),
    settleAfter: fc.nat(6),
  });
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 2, noNaN: true }), fc.array(step, { maxLength: 30 }), async (cap, steps) => {
      const { ledger, facts } = makeLedger(cap);
      let truly = 0;
      const waiting: { readonly at: number; readonly settle: () => Promise<void> }[] = [];
      const running: Promise<void>[] = [];
      const begin = async ({ usd, usedShare, end, settleAfter }: (typeof steps)[number], at: number): Promise<void> => {
        const reserved: Reserved | null = await ledger.reserve(usd);
        if (reserved === null) return;
        truly += reserved.usd * usedShare;
        if (end === 'open') return;
        waiting.push({ at: at + settleAfter, settle: () => reserved.settle(end === 'unknown' ? null : reserved.usd * usedShare, end) });
      };
      for (const [at, each] of steps.entries()) {
        running.push(begin(each, at));
        if (ledger.committedUsd() > cap) return false;
        // Every other one is waited for: the others are under way at the same time.
        if (at % 2 === 0) await Promise.all(running.splice(0));
        const due = waiting.filter((one) => one.at <= at);
        for (const one of due) waiting.splice(waiting.indexOf(one), 1);
        await Promise.all(due.map((one) => one.settle()));
      }
      await Promise.all(running);
      return ledger.committedUsd() <= cap && ledger.committedUsd() >= truly - 1e-9 && replay(facts).spentUsd <= cap + 1e-9;
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('of two who ask at once for the last dollar one gets it', async (t) => {
  const { ledger } = makeLedger(1);
  const both = await Promise.all([ledger.reserve(0.6), ledger.reserve(0.6)]);
  t.is(both.filter((each) => each !== null).length, 1);
  t.is(ledger.committedUsd(), 0.6);
});
