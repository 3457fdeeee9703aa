/**
 * Lines of JSON between the agent and the runner, on a unix socket; one connection is one run. The runner greets, the agent sends `run`
 * (and `stop`, or closes), the runner sends output and, last, the outcome. Both sides take the other for hostile.
 */
import { z } from 'zod';
import { EXIT_CLASSES } from '../sandbox/sandbox.ts';

export const RUNNER_PROTOCOL = 3;
/** The longest line from the agent, and from the runner. */
export const MAX_REQUEST_BYTES = 64 * 1024;
export const MAX_REPLY_BYTES = 1024 * 1024;
/** Characters of output in one message. */
export const MAX_CHUNK_CHARS = 64 * 1024;

const Path = z
  .string()
  .min(2)
  .max(4096)
  .startsWith('/')
  .refine((path) => !path.includes('\0'), 'no NUL');

/** One run as it travels: a SolutionRun without what belongs to the agent's process. */
export const RunOrder = z.strictObject({
  program: Path,
  trainDir: Path,
  predictDir: Path,
  outDir: Path,
  scratchDir: Path,
  paramsFile: Path,
  answers: z.array(z.string().regex(/^\w[\w.-]{0,99}$/)).max(10),
  seed: z.int().nonnegative(),
  threads: z.int().min(1).max(1024),
  timeoutMs: z
    .number()
    .min(1)
    .max(14 * 86_400_000),
  memoryMib: z
    .number()
    .min(1)
    .max(64 * 1024 * 1024),
  coldStart: z.boolean().default(false),
});
export type RunOrder = z.infer<typeof RunOrder>;

export const RunnerRequest = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('run'), order: RunOrder }),
  z.strictObject({ type: z.literal('stop') }),
]);
export type RunnerRequest = z.infer<typeof RunnerRequest>;

/** `confined`: every run is kept from network, foreign files and other runs, and the runner itself has no network. */
const Hello = z.object({
  type: z.literal('hello'),
  protocol: z.literal(RUNNER_PROTOCOL),
  confined: z.boolean(),
  problems: z.array(z.string().max(500)).max(20),
  layers: z.array(z.string().max(100)).max(20),
  generatedCode: z.discriminatedUnion('accepted', [
    z.object({ accepted: z.literal(true) }),
    z.object({ accepted: z.literal(false), reason: z.string().max(1_000) }),
  ]),
});

const Outcome = z.object({
  exitClass: z.enum(EXIT_CLASSES),
  exitCode: z.int().nullable(),
  seconds: z.number().nonnegative(),
  peakMemoryMib: z.number().nonnegative(),
  tail: z.string().max(8_000),
  frame: z.string().max(200).nullable(),
});

export const RunnerReply = z.discriminatedUnion('type', [
  Hello,
  z.object({ type: z.literal('output'), chunk: z.string().max(MAX_CHUNK_CHARS) }),
  z.object({ type: z.literal('outcome'), outcome: Outcome }),
  z.object({ type: z.literal('refused'), reason: z.string().max(1_000) }),
]);
export type RunnerReply = z.infer<typeof RunnerReply>;
