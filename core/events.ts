import { z } from 'zod';

const PREFIX = 'dev.kaggle-agent.';

/** CloudEvent types that the system sends or accepts (design: the event table). Facts in the past tense, version last. */
export const EVENT_TYPES = {
  requested: `${PREFIX}job.requested.v1`,
  cancelRequested: `${PREFIX}job.cancel-requested.v1`,
  submitted: `${PREFIX}job.submitted.v1`,
  cancelling: `${PREFIX}job.cancelling.v1`,
  requeued: `${PREFIX}job.requeued.v1`,
  improved: `${PREFIX}job.improved.v1`,
  succeeded: `${PREFIX}job.succeeded.v1`,
  failed: `${PREFIX}job.failed.v1`,
  timedOut: `${PREFIX}job.timed-out.v1`,
  cancelled: `${PREFIX}job.cancelled.v1`,
  started: `${PREFIX}job.started.v1`,
  progressed: `${PREFIX}job.progressed.v1`,
  exited: `${PREFIX}job.exited.v1`,
  clusterAdded: 'dev.knative.apiserver.ref.add',
  clusterUpdated: 'dev.knative.apiserver.ref.update',
  clusterDeleted: 'dev.knative.apiserver.ref.delete',
  ping: 'dev.knative.sources.ping',
} as const;
export type EventType = (typeof EVENT_TYPES)[keyof typeof EVENT_TYPES];

/** Types that wake the job-launcher: new work, a cancel, a job back in line, or a free slot. */
export const LAUNCHER_TYPES: readonly string[] = [
  EVENT_TYPES.submitted,
  EVENT_TYPES.cancelling,
  EVENT_TYPES.requeued,
  EVENT_TYPES.succeeded,
  EVENT_TYPES.failed,
  EVENT_TYPES.timedOut,
  EVENT_TYPES.cancelled,
];

/** Types that wake the collector: the agent's own words, and changes of a Job in the cluster. */
export const COLLECTOR_TYPES: readonly string[] = [
  EVENT_TYPES.started,
  EVENT_TYPES.progressed,
  EVENT_TYPES.exited,
  EVENT_TYPES.clusterAdded,
  EVENT_TYPES.clusterUpdated,
  EVENT_TYPES.clusterDeleted,
];

/** Types that other systems may send to the submit door. */
export const SUBMIT_TYPES: readonly string[] = [EVENT_TYPES.requested, EVENT_TYPES.cancelRequested];

/** Data of the outbox's job events: ids and small facts. */
export const JobFact = z.object({
  job_id: z.uuid(),
  slug: z.string(),
  state: z.string(),
  attempt: z.int(),
  reason: z.string(),
  score: z.number().nullable(),
  metric: z.string().nullable(),
});
export type JobFact = z.infer<typeof JobFact>;

/** Data of the agent's hints: which object to look at. */
export const AgentHint = z.object({ job_id: z.uuid(), attempt: z.int().positive(), seq: z.int().positive() });
export type AgentHint = z.infer<typeof AgentHint>;

/** Data of a cancel request: by job id, or by the source and id of the event that asked for the job. */
export const CancelRequest = z.union([
  z.strictObject({ job_id: z.uuid() }),
  z.strictObject({ request_source: z.string().min(1).max(2000), request_id: z.string().min(1).max(1000) }),
]);
export type CancelRequest = z.infer<typeof CancelRequest>;

/** Data of ApiServerSource events in reference mode (and of the local cluster's, which speaks the same). */
export const ObjectReference = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string().max(253),
  namespace: z.string().max(253),
});

/** An event as the use cases know it; transports turn it into a CloudEvent. `id` is deterministic where the effect must not repeat. */
export interface PlainEvent {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly subject: string;
  readonly time: string;
  readonly data: unknown;
  readonly extensions: Readonly<Record<string, string | number>>;
}

/** CloudEvents source of a function or of the agent. */
export function eventSource(room: 'submit' | 'job-launcher' | 'collector' | 'reconciler' | 'agent'): string {
  return `/kaggle-agent/${room}`;
}
