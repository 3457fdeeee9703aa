import { createHash } from 'node:crypto';
import { z } from 'zod';

/** What a parameter of a recipe may be: any number between two, evenly or evenly in its logarithm, or one of some choices. */
const Range = z.union([
  z.object({
    low: z.number(),
    high: z.number(),
    scale: z.enum(['linear', 'log']).default('linear'),
    whole: z.boolean().default(false),
  }),
  z.object({ choices: z.array(z.union([z.number(), z.string(), z.boolean()])).min(1) }),
]);

/** The parameters of a recipe that may be searched, by name. */
export const Space = z.record(z.string(), Range);
export type Space = z.infer<typeof Space>;

/** One setting of the space; the same for the same seed, whatever else was drawn. */
export function drawSetting(space: Space, seed: string): Record<string, number | string | boolean> {
  return Object.fromEntries(Object.entries(space).map(([name, range]) => [name, drawOne(range, drawUnit(`${seed} ${name}`))]));
}

function drawOne(range: z.infer<typeof Range>, unit: number): number | string | boolean {
  if ('choices' in range) return range.choices[Math.floor(unit * range.choices.length)] ?? range.choices[0] ?? 0;
  const { low, high, scale, whole } = range;
  const value = scale === 'log' ? low * (high / low) ** unit : low + (high - low) * unit;
  return whole ? Math.round(value) : Number(value.toPrecision(4));
}

/** A number from 0 up to 1 that depends on the text alone. */
function drawUnit(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}
