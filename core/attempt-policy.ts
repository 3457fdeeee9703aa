import type { AttemptResources, FailureCode, FinalState, Job, JobError } from './job.ts';
import type { AttemptWithJob } from './ports.ts';

/** What an operator may set about attempts; times in ms. */
export interface AttemptPolicy {
  /** Attempts whose failure was the job's own (crash, memory, no manifest). */
  readonly maxCharged: number;
  /** All attempts, disruptions included, so that a job on a broken node can't go on for ever. */
  readonly maxTotal: number;
  readonly maxStartFailures: number;
  readonly startTimeoutMs: number;
  readonly stuckAfterMs: number;
  /** How long after its own limit an attempt is cut off from outside. */
  readonly deadlineGraceMs: number;
  /** How long a recorded attempt may go on living before it is removed. */
  readonly endGraceMs: number;
  readonly maxMemoryMib: number;
}

/** Defaults of the protocol: 3 attempts, 15 min to start, 10 min of silence, 120 s beyond the limit. */
export const DEFAULT_POLICY: AttemptPolicy = {
  maxCharged: 3,
  maxTotal: 10,
  maxStartFailures: 3,
  startTimeoutMs: 15 * 60_000,
  stuckAfterMs: 10 * 60_000,
  deadlineGraceMs: 120_000,
  endGraceMs: 30_000,
  maxMemoryMib: 65_536,
};

/** The least time that an attempt is given: enough to store what earlier attempts found. */
export const MIN_REMAINING_S = 30;

/** Seconds left of the job's limit, which runs from the first claim and is not reset by a retry. */
export function computeRemainingS(job: Pick<Job, 'firstStartedAt' | 'options'>, now: Date): number {
  if (job.firstStartedAt === null) return job.options.timeLimitS;
  return job.options.timeLimitS - (now.getTime() - job.firstStartedAt.getTime()) / 1000;
}

/** Why an open attempt must be removed from the cluster now, or null. Silence must be confirmed in storage before acting on it. */
export function decideRemoval({ job, attempt, now }: AttemptWithJob, policy: AttemptPolicy): FailureCode | null {
  if (!attempt.slotHeld) return null;
  const since = (date: Date | null) => (date === null ? 0 : now.getTime() - date.getTime());
  if (attempt.state === 'ended') return since(attempt.endedAt) > policy.endGraceMs ? 'stopped' : null;
  if (job.cancelRequestedAt !== null) return 'cancelled';
  if (attempt.state === 'launched' && since(attempt.launchedAt) > policy.startTimeoutMs) return 'cannot-start';
  if (attempt.state !== 'claimed') return null;
  if (computeRemainingS(job, now) * 1000 < -policy.deadlineGraceMs) return 'deadline';
  return since(attempt.lastEventAt ?? attempt.claimedAt) > policy.stuckAfterMs ? 'stuck' : null;
}

/** What follows a failed attempt. `charged`: it counts against the job's attempts. */
export type AfterFailure =
  | { readonly kind: 'final'; readonly state: FinalState; readonly error: JobError }
  | { readonly kind: 'retry'; readonly charged: boolean; readonly resources: AttemptResources | null; readonly reason: string };

const FINAL_TURN: Partial<Record<FailureCode, JobError['turn']>> = {
  'bad-input': 'caller',
  'upstream-refused': 'caller',
  'spec-refused': 'operator',
};
const DISRUPTIONS: readonly FailureCode[] = ['evicted', 'lost', 'stopped', 'claim-lost'];
const MEMORY_GROWTH = 1.5;

/**
 * Decides what follows a failed attempt (protocol: exit codes): bad input and refusals are final; disruptions are repeated and not
 * charged; memory grows by half within bounds; a crash gets one retry; all else up to the cap. `message` is the attempt's own words.
 */
export function decideAfterFailure(params: {
  readonly job: Job;
  readonly failure: FailureCode;
  readonly message: string;
  readonly now: Date;
  readonly policy: AttemptPolicy;
}): AfterFailure {
  const { job, failure, message, policy } = params;
  const final = (state: FinalState, code: FailureCode, text: string, turn: JobError['turn']): AfterFailure => ({
    kind: 'final',
    state,
    error: { code, message: text, turn },
  });
  if (failure === 'cancelled') return final('cancelled', 'cancelled', 'Job cancelled by user', 'nobody');
  if (failure === 'deadline') return final('timeout', 'deadline', message, 'nobody');
  const turn = FINAL_TURN[failure];
  if (turn !== undefined) return final('failed', failure, message, turn);
  if (computeRemainingS(job, params.now) < MIN_REMAINING_S) {
    return final('timeout', 'deadline', `The time limit ended with a failed attempt: ${message}`, 'nobody');
  }
  if (job.attempt >= policy.maxTotal) {
    return final('failed', 'attempts-exhausted', `Gave up after ${job.attempt} attempts; the last one: ${message}`, 'operator');
  }
  if (DISRUPTIONS.includes(failure)) return { kind: 'retry', charged: false, resources: null, reason: message };
  const charged = job.failedAttempts + 1;
  if (charged >= policy.maxCharged || (failure === 'crashed' && job.failedAttempts >= 1)) {
    return final('failed', failure, `Gave up after ${charged} failed attempts; the last one: ${message}`, 'operator');
  }
  if (failure !== 'out-of-memory') return { kind: 'retry', charged: true, resources: null, reason: message };
  const { resources } = job.options;
  const memoryMib = Math.min(policy.maxMemoryMib, Math.ceil(resources.memoryMib * MEMORY_GROWTH));
  if (memoryMib <= resources.memoryMib) {
    return final('failed', 'out-of-memory', `Out of memory at the largest size allowed here (${resources.memoryMib} MiB).`, 'operator');
  }
  return { kind: 'retry', charged: true, resources: { ...resources, memoryMib }, reason: `${message}; next with ${memoryMib} MiB` };
}
