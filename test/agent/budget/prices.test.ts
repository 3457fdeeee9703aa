import fc from 'fast-check';
import test from 'ava';
import { boundOf, costOf, DEFAULT_MODELS, ModelTable } from '#agent/budget/prices.ts';

const HAIKU = DEFAULT_MODELS.prices['claude-haiku-5-5'];
const SONNET = DEFAULT_MODELS.prices['claude-sonnet-5-5'];
const usage = { input: 0, cacheWrite5m: 0, cacheWrite1h: 0, cacheRead: 0, output: 0 };

test('a call costs each kind of token at its own rate', (t) => {
  if (SONNET === undefined) return t.fail();
  const cost = costOf(SONNET, { input: 1e6, cacheWrite5m: 1e6, cacheWrite1h: 1e6, cacheRead: 1e6, output: 1e6 });
  t.true(Math.abs(cost - (2 + 2.5 + 4 + 0.1 + 10)) < 1e-9);
});

test('a long prompt has other rates for every token, the reply’s too', (t) => {
  if (HAIKU === undefined) return t.fail();
  t.true(Math.abs(costOf(HAIKU, { ...usage, input: 100_000, output: 1_000_000 }) - (0.01 + 0.5)) < 1e-9);
  t.true(Math.abs(costOf(HAIKU, { ...usage, input: 100_000, cacheRead: 1, output: 1_000_000 }) - (0.05 + 2.5)) < 1e-6);
});

test('no usage within its input and its reply costs more than the bound', (t) => {
  for (const price of [HAIKU, SONNET]) {
    if (price === undefined) return t.fail();
    fc.assert(
      fc.property(
        fc.array(fc.nat(60_000), { minLength: 4, maxLength: 4 }),
        fc.nat(30_000),
        fc.nat(5_000),
        ([a = 0, b = 0, c = 0, d = 0], output, more) => {
          const bound = boundOf(price, a + b + c + d, output + more);
          return costOf(price, { input: a, cacheWrite5m: b, cacheWrite1h: c, cacheRead: d, output }) <= bound + 1e-12;
        },
      ),
      { numRuns: 2_000 },
    );
  }
  t.pass();
});

test('a table of models names a price for each that it uses', (t) => {
  t.true(ModelTable.safeParse(DEFAULT_MODELS).success);
  t.false(ModelTable.safeParse({ ...DEFAULT_MODELS, cheap: 'claude-unknown' }).success);
});
