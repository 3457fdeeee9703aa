import { z } from 'zod';

/** Job states. `pending → queued → running → success | failed | timeout | cancelled`; the last four are final. */
export const JOB_STATES = ['pending', 'queued', 'running', 'success', 'failed', 'timeout', 'cancelled'] as const;
export const JobState = z.enum(JOB_STATES);
export type JobState = z.infer<typeof JobState>;

export const FINAL_STATES = ['success', 'failed', 'timeout', 'cancelled'] as const satisfies readonly JobState[];
export const LIVE_STATES = ['pending', 'queued', 'running'] as const satisfies readonly JobState[];
export type FinalState = (typeof FINAL_STATES)[number];

/** True for states that never change again. */
export function isFinal(state: JobState): state is FinalState {
  return (FINAL_STATES as readonly JobState[]).includes(state);
}

/** Allowed next states. Forward skips are allowed (events can be lost); back only to `pending`, with a new attempt or after a refused launch. */
export const TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  pending: ['queued', 'running', ...FINAL_STATES],
  queued: ['running', 'pending', ...FINAL_STATES],
  running: ['pending', ...FINAL_STATES],
  success: [],
  failed: [],
  timeout: [],
  cancelled: [],
};

/** Throws when a use case asks for a transition that the protocol does not have: that is a bug of ours. */
export function assertTransition(from: JobState, to: JobState): void {
  if (from !== to && !TRANSITIONS[from].includes(to)) throw new Error(`transition ${from} → ${to} is not allowed`);
}

/** Why an attempt or job ended other than well; fixed words, so that people can count them. */
export const FAILURE_CODES = [
  'bad-input',
  'upstream-refused',
  'spec-refused',
  'cannot-start',
  'no-manifest',
  'manifest-invalid',
  'out-of-memory',
  'evicted',
  'lost',
  'stuck',
  'stopped',
  'claim-lost',
  'crashed',
  'deadline',
  'attempts-exhausted',
  'cancelled',
] as const;
export const FailureCode = z.enum(FAILURE_CODES);
export type FailureCode = z.infer<typeof FailureCode>;

/** What went wrong, for people (`message`: what, where, what next) and machines (`code`, `turn`). */
export const JobError = z.object({
  code: FailureCode,
  message: z.string(),
  turn: z.enum(['caller', 'retry', 'operator', 'nobody']),
});
export type JobError = z.infer<typeof JobError>;

/** Resources of one attempt, after bounds. */
export const AttemptResources = z.object({ cpuMillis: z.int().positive(), memoryMib: z.int().positive() });
export type AttemptResources = z.infer<typeof AttemptResources>;

/** What the caller says of the task, instead of what the agent would find out; null = it finds out. */
export const TaskOverrides = z.object({
  /** The unit that a fold cuts. */
  shape: z.enum(['rows', 'groups', 'time', 'panel']).nullable(),
  groupColumn: z.string().nullable(),
  timeColumn: z.string().nullable(),
  oneRowAtATime: z.boolean().nullable(),
  /** Data that tell the answers, in the real test too, are given to solutions. */
  allowDataLeaks: z.boolean(),
});
export type TaskOverrides = z.infer<typeof TaskOverrides>;

/** What the caller asked for, after validation and defaults; stored with the job and frozen. */
export const JobOptions = z.object({
  priority: z.int(),
  resources: AttemptResources,
  timeLimitS: z.int().positive(),
  budgetUsd: z.number().nonnegative(),
  llm: z.enum(['auto', 'off']),
  hint: z.string().nullable(),
  submitToKaggle: z.boolean(),
  /** Null also in jobs that were accepted before there were overrides. */
  task: TaskOverrides.nullable().default(null),
});
export type JobOptions = z.infer<typeof JobOptions>;

/** A score as the trusted grader measured it, with its 95 % interval. */
export const Score = z.object({ score: z.number(), low: z.number(), high: z.number() });
export type Score = z.infer<typeof Score>;

/** What is known of a running job's work: updated by progress, the same fields for people and machines. */
export const Progress = z.object({
  stage: z.enum(['starting', 'analyze', 'plan', 'generate', 'execute', 'finalize', 'done']),
  message: z.string(),
  solutionsDone: z.int(),
  solutionsPlanned: z.int().nullable(),
  best: Score.nullable(),
  metric: z.string().nullable(),
  direction: z.enum(['maximize', 'minimize']).nullable(),
  remainingS: z.number().nullable(),
  firstValidSeconds: z.number().nullable(),
});
export type Progress = z.infer<typeof Progress>;

/** One row of the ledger's `jobs`. Times are the database's. */
export interface Job {
  readonly id: string;
  readonly tenant: string;
  readonly slug: string;
  readonly kaggleUrl: string;
  readonly jobName: string;
  /** Of the request that asked for the job (W3C trace context). */
  readonly traceparent: string | null;
  readonly state: JobState;
  readonly reason: string;
  readonly version: number;
  readonly lastSeq: number;
  readonly options: JobOptions;
  /** Number of the current attempt; 0 before the first. */
  readonly attempt: number;
  /** Attempts that failed and were charged to the job, and launches that never started (neither includes disruptions of ours). */
  readonly failedAttempts: number;
  readonly startFailures: number;
  readonly launchTries: number;
  readonly cancelRequestedAt: Date | null;
  readonly notBefore: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly queuedAt: Date | null;
  readonly startedAt: Date | null;
  readonly firstStartedAt: Date | null;
  readonly completedAt: Date | null;
  readonly progress: Progress | null;
  readonly error: JobError | null;
  readonly result: JobResult | null;
  readonly requestSource: string | null;
  readonly requestId: string | null;
  readonly podName: string | null;
}

/** One downloadable file of a recorded result. `key` is the object's key in storage; readers follow it and never build paths. */
export const ResultFile = z.object({ name: z.string(), key: z.string(), sha256: z.string(), bytes: z.int(), contentType: z.string() });
export type ResultFile = z.infer<typeof ResultFile>;

/** What an attempt took: seconds of all runs together, the largest memory of one in MiB, and dollars that the job has spent on Claude. */
export const ResourcesUsed = z.object({
  runSeconds: z.number().nonnegative(),
  peakMemoryMib: z.number().nonnegative(),
  llmUsd: z.number().nonnegative().default(0),
});
export type ResourcesUsed = z.infer<typeof ResourcesUsed>;

/**
 * How far a score can be trusted. `suspect`: something speaks against it, and it is never the best by itself; `unverified`: something could not
 * be settled, and a person should look; `verified`: every check passed. `reasons`: one line each, empty when verified.
 */
export const Trust = z.object({ verdict: z.enum(['verified', 'unverified', 'suspect']), reasons: z.array(z.string()) });
export type Trust = z.infer<typeof Trust>;

/** What was recorded at the end of a job. `partial`: cut off, the newest valid file was promoted. `quality` `fallback`: no model, constants. */
export const JobResult = z.object({
  attempt: z.int(),
  partial: z.boolean(),
  quality: z.enum(['model', 'fallback']),
  cv: Score.nullable(),
  metric: z.string().nullable(),
  direction: z.enum(['maximize', 'minimize']).nullable(),
  metricIsProxy: z.boolean(),
  /** What the leaderboard should say, corrected for the choice among solutions; null when unknown. */
  expected: Score.nullable().default(null),
  /** Of the best solution; null in results from before it was judged. */
  trust: Trust.nullable().default(null),
  valid: z.boolean(),
  solutions: z.int(),
  bestSolution: z.int().nullable(),
  firstValidSeconds: z.number().nullable(),
  seconds: z.number().nullable(),
  /** Null in results from before it was measured. */
  resources: ResourcesUsed.nullable().default(null),
  leaderboard: z.object({ public: z.number().nullable(), private: z.number().nullable(), ref: z.string().nullable() }).nullable(),
  notes: z.array(z.string()),
  files: z.array(ResultFile),
});
export type JobResult = z.infer<typeof JobResult>;

/** States of one attempt. `waiting`: not in the cluster, may be launched; `ended`: recorded, never changes again. */
export const ATTEMPT_STATES = ['waiting', 'launching', 'launched', 'claimed', 'ended'] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

/** One row of the ledger's `attempts`: one execution of a job. The number is the fencing token. */
export interface Attempt {
  readonly jobId: string;
  readonly number: number;
  readonly state: AttemptState;
  /** True from the claim of a slot until the cluster is known to run nothing of it: what the cap counts. */
  readonly slotHeld: boolean;
  readonly jobName: string;
  readonly spec: unknown;
  readonly specHash: string;
  readonly clusterUid: string | null;
  readonly leaseUntil: Date | null;
  readonly createdAt: Date;
  readonly launchedAt: Date | null;
  readonly claimedAt: Date | null;
  readonly endedAt: Date | null;
  readonly lastEventSeq: number;
  readonly lastEventAt: Date | null;
  readonly removeRequestedAt: Date | null;
  readonly removeReason: FailureCode | null;
  readonly outcome: FailureCode | 'success' | null;
  readonly exitCode: number | null;
  readonly reason: string | null;
  readonly recordedInCluster: boolean;
}

/** One line of a job's history and of the SSE feed; `seq` is gap-free per job. */
export interface JobEvent {
  readonly jobId: string;
  readonly seq: number;
  readonly at: Date;
  readonly type: JobEventType;
  readonly state: JobState;
  readonly attempt: number;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export const JOB_EVENT_TYPES = [
  'submitted',
  'launching',
  'queued',
  'started',
  'progressed',
  'improved',
  'cancelling',
  'requeued',
  'finished',
] as const;
export type JobEventType = (typeof JOB_EVENT_TYPES)[number];
