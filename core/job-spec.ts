import { z } from 'zod';
import { AttemptResources, TaskOverrides } from './job.ts';

/**
 * What the launcher tells an attempt: the only thing that passes from plane to agent. Frozen as JSON in the ledger before the Job is
 * created, so that an upgrade between two tries can't change it. Holds no secret.
 */
export const JobSpec = z.object({
  schemaVersion: z.literal(1),
  jobId: z.uuid(),
  attempt: z.int().positive(),
  jobName: z.string(),
  tenant: z.string(),
  slug: z.string(),
  kaggleUrl: z.string(),
  resources: AttemptResources,
  /** Seconds that the agent may still use, counted by its own monotonic clock from its claim. */
  remainingS: z.number().positive(),
  /** Seconds after which the cluster cuts the attempt off: remaining + start timeout + 120. */
  activeDeadlineS: z.int().positive(),
  budgetUsd: z.number().nonnegative(),
  llm: z.enum(['auto', 'off']),
  hint: z.string().nullable(),
  submitToKaggle: z.boolean(),
  task: TaskOverrides.nullable().default(null),
  seed: z.int(),
  traceparent: z.string().nullable(),
});
export type JobSpec = z.infer<typeof JobSpec>;

/** The claim object of an attempt: create-only, the attempt's lock. `recorder` = the plane ended an attempt that nobody had claimed. */
export const Claim = z.union([
  z.object({ by: z.literal('agent'), attempt: z.int(), podUid: z.string(), nonce: z.string() }),
  z.object({ by: z.literal('recorder'), attempt: z.int() }),
]);
export type Claim = z.infer<typeof Claim>;

/** Exit codes of the agent (protocol: what the agent says). Anything else is a bug: one retry. */
export const EXIT = { ok: 0, badInput: 64, upstreamRefused: 69, stopped: 75, claimLost: 76 } as const;
