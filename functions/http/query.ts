import type { Request } from 'express';
import { z } from 'zod';
import { callerError } from '#core/errors.ts';

/** Reads the query by a schema of text members. Unknown members are ignored. Throws 422 naming each wrong one. */
export function readQuery<Shape extends z.ZodRawShape>(schema: z.ZodObject<Shape>, req: Request): z.infer<z.ZodObject<Shape>> {
  const parsed = schema.safeParse(req.query);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.slice(0, 20).map((issue) => ({
    pointer: issue.path.map(String).join('/').slice(0, 80),
    message: issue.message.slice(0, 200),
  }));
  const text = details.map((detail) => `${detail.pointer}: ${detail.message}`).join('; ');
  throw callerError('invalid-query', 422, `The query is wrong: ${text}`, details);
}

/** A whole number written as text, within bounds. */
export function wholeNumber(bounds: { readonly min: number; readonly max: number }) {
  const message = `a whole number from ${bounds.min} to ${bounds.max}`;
  return z
    .string(message)
    .regex(/^\d{1,10}$/, message)
    .transform(Number)
    .pipe(z.int().min(bounds.min, message).max(bounds.max, message))
    .meta({ type: 'integer', minimum: bounds.min, maximum: bounds.max });
}

/** A switch in a query: `1`, `true`, or the bare name; `0` and `false` are off. */
export const Switch = z
  .enum(['', '1', 'true', '0', 'false'], 'use 1 or 0')
  .transform((text) => text === '' || text === '1' || text === 'true');
