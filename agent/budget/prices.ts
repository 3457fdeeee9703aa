import { z } from 'zod';
import type { ModelUsage } from '#core/language-model.ts';

const Rates = z.object({
  /** US dollars for a million tokens. */
  input: z.number().nonnegative(),
  cacheWrite5m: z.number().nonnegative(),
  cacheWrite1h: z.number().nonnegative(),
  cacheRead: z.number().nonnegative(),
  output: z.number().nonnegative(),
});

/** What a model costs; `longPrompt`: other rates for the whole call where its input has more tokens than that. */
export const ModelPrice = z.object({
  rates: Rates,
  longPrompt: z.object({ aboveTokens: z.int().positive(), rates: Rates }).nullable(),
});
export type ModelPrice = z.infer<typeof ModelPrice>;

/** Models by the work they do, and what they cost. `strong` plans and writes, `cheap` reads and mends. */
export const ModelTable = z
  .object({
    strong: z.string(),
    cheap: z.string(),
    prices: z.record(z.string(), ModelPrice),
  })
  .refine(({ strong, cheap, prices }) => [strong, cheap].every((model) => Object.hasOwn(prices, model)), 'each model needs a price');
export type ModelTable = z.infer<typeof ModelTable>;

const price = (input: number, output: number, cacheRead: number): z.infer<typeof Rates> => ({
  input,
  cacheWrite5m: 1.25 * input,
  cacheWrite1h: 2 * input,
  cacheRead,
  output,
});

/** List prices of November 2026 (Anthropic's pricing page). A table in the settings replaces this one. */
export const DEFAULT_MODELS: ModelTable = {
  strong: 'claude-sonnet-5-5',
  cheap: 'claude-haiku-5-5',
  prices: {
    'claude-opus-5-5': { rates: price(4, 20, 0.2), longPrompt: null },
    'claude-sonnet-5-5': { rates: price(2, 10, 0.1), longPrompt: null },
    'claude-haiku-5-5': { rates: price(0.1, 0.5, 0.01), longPrompt: { aboveTokens: 100_000, rates: price(0.5, 2.5, 0.05) } },
  },
};

const PER_TOKEN = 1e-6;

/** What a call cost, in US dollars. */
export function costOf(model: ModelPrice, usage: ModelUsage): number {
  const prompt = usage.input + usage.cacheWrite5m + usage.cacheWrite1h + usage.cacheRead;
  const { input, cacheWrite5m, cacheWrite1h, cacheRead, output } = ratesFor(model, prompt);
  const sum =
    usage.input * input +
    usage.cacheWrite5m * cacheWrite5m +
    usage.cacheWrite1h * cacheWrite1h +
    usage.cacheRead * cacheRead +
    usage.output * output;
  return sum * PER_TOKEN;
}

/** What a call can cost at most: every token of the input at the dearest rate there is for one, and every token of the reply used. */
export function boundOf(model: ModelPrice, inputTokens: number, maxTokens: number): number {
  const all = [model.rates, ...(model.longPrompt === null ? [] : [model.longPrompt.rates])];
  // Near the border the provider's own count decides: so the dearer rates, unless the input is far from it.
  const possible = model.longPrompt !== null && inputTokens < 0.8 * model.longPrompt.aboveTokens ? [model.rates] : all;
  const bounds = possible.map(({ input, cacheWrite5m, cacheWrite1h, cacheRead, output }) => {
    return (inputTokens * Math.max(input, cacheWrite5m, cacheWrite1h, cacheRead) + maxTokens * output) * PER_TOKEN;
  });
  return Math.max(...bounds);
}

function ratesFor({ rates, longPrompt }: ModelPrice, promptTokens: number): z.infer<typeof Rates> {
  return longPrompt !== null && promptTokens > longPrompt.aboveTokens ? longPrompt.rates : rates;
}
