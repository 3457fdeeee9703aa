import { z } from 'zod';

const Line = (most: number) => z.string().trim().min(1).max(most);

/** What a person tells a running job. `say`: words; `try`: an idea that comes first; `never`: what is not to be tried; `finish`: end with the best so far. */
export const Instruction = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('say'), text: Line(1_000) }),
  z.object({ kind: z.literal('try'), text: Line(200), why: z.string().trim().max(1_000) }),
  z.object({ kind: z.literal('never'), text: Line(200) }),
  z.object({ kind: z.literal('finish') }),
]);
export type Instruction = z.infer<typeof Instruction>;

/** `jobs/<id>/instructions/<seq>`: create-only, numbered from 1 without gaps; the attempt reads them in order. */
export const StoredInstruction = z.object({
  schemaVersion: z.literal(1),
  seq: z.int().positive(),
  at: z.iso.datetime(),
  instruction: Instruction,
});
export type StoredInstruction = z.infer<typeof StoredInstruction>;

/** So many instructions a job takes. */
export const MAX_INSTRUCTIONS = 100;
