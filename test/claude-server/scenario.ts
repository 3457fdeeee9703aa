import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** How a reply's text is charged; absent = as many tokens as the text has. */
const Charged = { outputTokens: z.int().nonnegative().optional() };

/** What the server does with one request. */
export const Answer = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('json'), value: z.unknown(), ...Charged }),
  z.object({
    kind: z.literal('text'),
    text: z.string(),
    stop: z.enum(['end_turn', 'max_tokens', 'refusal', 'tool_use', 'pause_turn', 'model_context_window_exceeded']).default('end_turn'),
    ...Charged,
  }),
  z.object({ kind: z.literal('tool'), name: z.string(), input: z.unknown(), ...Charged }),
  z.object({ kind: z.literal('error'), status: z.int(), type: z.string(), retryAfterS: z.number().optional() }),
  /** Before the first byte of a reply. */
  z.object({ kind: z.literal('reset') }),
  /** After half of the reply's events. */
  z.object({ kind: z.literal('drop'), text: z.string() }),
  /** Until the caller gives up. */
  z.object({ kind: z.literal('hang') }),
  /** What looks like no reply at all. */
  z.object({ kind: z.literal('garbage'), body: z.string() }),
]);
export type Answer = z.input<typeof Answer>;

/** A request that is expected, and the answer to it. `contains`: texts that its user message must hold; `model`: which is asked. */
export const Exchange = z.object({
  contains: z.array(z.string()).default([]),
  model: z.string().nullable().default(null),
  answer: Answer,
  /** So often; the next exchange comes after that. */
  times: z.int().positive().default(1),
});
export type Exchange = z.input<typeof Exchange>;

const ScenarioFile = z.object({ exchanges: z.array(Exchange) });

/** Reads a scenario: the exchanges in the order in which they must come. */
export async function readScenario(path: string): Promise<Exchange[]> {
  return ScenarioFile.parse(JSON.parse(await readFile(path, 'utf8'))).exchanges;
}
