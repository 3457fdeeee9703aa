import { z } from 'zod';
import { ERROR_CODES } from './errors.ts';
import { JOB_EVENT_TYPES, JobError, JobState, Score, Trust } from './job.ts';
import { TrustCheck } from './report.ts';

const Instant = z.iso.datetime().meta({ description: 'ISO 8601 in UTC, with Z.' });
const Quantities = z.object({ cpu: z.string(), memory: z.string() });
const Direction = z.enum(['maximize', 'minimize']);
const Links = z.record(z.string(), z.string());

/** Body of every error: RFC 9457, with the original system's `detail`. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(ERROR_CODES),
    retryable: z.boolean(),
    request_id: z.string(),
    errors: z.array(z.object({ pointer: z.string(), message: z.string() })),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;

/** 201 of `POST /run`. */
export const RunAccepted = z
  .object({
    job_id: z.uuid(),
    k8s_job_name: z.string(),
    status: JobState,
    created_at: Instant,
    message: z.string(),
    links: Links,
  })
  .meta({ id: 'RunAccepted' });
export type RunAccepted = z.infer<typeof RunAccepted>;

/** 200 of `DELETE /jobs/{id}`. */
export const CancelAccepted = z
  .object({ message: z.string(), job_id: z.uuid(), status: JobState, ended: z.boolean() })
  .meta({ id: 'CancelAccepted' });
export type CancelAccepted = z.infer<typeof CancelAccepted>;

/** 202 of `POST /jobs/{id}/instructions`. */
export const InstructAccepted = z
  .object({ message: z.string(), job_id: z.uuid(), status: JobState, seq: z.int().positive() })
  .meta({ id: 'InstructAccepted' });
export type InstructAccepted = z.infer<typeof InstructAccepted>;

export const ProgressView = z
  .object({
    stage: z.string(),
    message: z.string(),
    solutions_done: z.int(),
    solutions_planned: z.int().nullable(),
    best: Score.nullable(),
    metric: z.string().nullable(),
    direction: Direction.nullable(),
    remaining_s: z.number().nullable(),
    first_valid_seconds: z.number().nullable(),
  })
  .meta({ id: 'Progress' });

/** One job as `GET /status/{id}` and `GET /jobs` show it: the original's fields, and ours. */
export const JobView = z
  .object({
    job_id: z.uuid(),
    k8s_job_name: z.string(),
    k8s_pod_name: z.string().nullable(),
    kaggle_url: z.string(),
    competition_name: z.string(),
    status: JobState,
    reason: z.string().meta({ description: 'Why the job is in this state, in one line for people.' }),
    created_at: Instant,
    queued_at: Instant.nullable(),
    started_at: Instant.nullable(),
    first_started_at: Instant.nullable(),
    completed_at: Instant.nullable(),
    cancel_requested_at: Instant.nullable(),
    progress: z.string().meta({ description: 'What happens now, in one line for people.' }),
    progress_detail: ProgressView.nullable(),
    resources_requested: Quantities,
    resources_used: z
      .record(z.string(), z.string())
      .meta({ description: 'Once there is a result: `memory`, the most that one run took, and `run_seconds`, of all runs together.' }),
    job_metadata: z.record(z.string(), z.unknown()),
    attempt: z.int(),
    version: z.int(),
    metric: z.string().nullable(),
    direction: Direction.nullable(),
    best_score: z.number().nullable().meta({ description: 'Best score so far, as the harness measured it; null before the first.' }),
    best_score_interval: z.tuple([z.number(), z.number()]).nullable().meta({ description: '95 % interval of best_score.' }),
    budget: z.object({ budget_usd: z.number(), time_limit_s: z.int(), remaining_s: z.number().nullable() }),
    prediction: z.null().meta({ description: 'Reserved for the hardware prediction.' }),
    partial: z.boolean(),
    quality: z.enum(['model', 'fallback']).nullable().meta({ description: '`fallback`: constants, no model.' }),
    error: JobError.nullable(),
    request: z.object({ source: z.string(), id: z.string() }).nullable(),
    next_check_after: z.number().nullable().meta({ description: 'Seconds after which asking again is useful; null when final.' }),
    links: Links,
  })
  .meta({ id: 'Job' });
export type JobView = z.infer<typeof JobView>;

export const JobListView = z.object({ total: z.int(), jobs: z.array(JobView), next_cursor: z.string().nullable() }).meta({ id: 'JobList' });
export type JobListView = z.infer<typeof JobListView>;

/** Data of one server-sent event; its `id` is `seq`, its `event` is `type`. */
export const HistoryLine = z
  .object({
    job_id: z.uuid(),
    seq: z.int(),
    at: Instant,
    type: z.enum(JOB_EVENT_TYPES),
    state: JobState,
    attempt: z.int(),
    message: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'HistoryLine' });
export type HistoryLine = z.infer<typeof HistoryLine>;

export const SolutionView = z
  .object({
    number: z.int(),
    title: z.string(),
    kind: z.enum(['baseline', 'recipe', 'blend', 'stack', 'generated']),
    parents: z.array(z.int()),
    state: z.enum(['running', 'valid', 'failed']),
    score: Score.nullable(),
    fold_scores: z.array(z.number()),
    aggregate: z.enum(['mean-of-folds', 'pooled']).nullable(),
    checks: z.array(TrustCheck),
    trust: Trust.nullable(),
    seconds: z.number(),
    failure: z.string().nullable(),
  })
  .meta({ id: 'Solution' });
export type SolutionView = z.infer<typeof SolutionView>;

export const SolutionListView = z
  .object({ job_id: z.uuid(), total: z.int(), solutions: z.array(SolutionView) })
  .meta({ id: 'SolutionList' });
export type SolutionListView = z.infer<typeof SolutionListView>;

/** One solution with its texts; each is null when it was not stored or is too large to show. */
export const SolutionDetail = SolutionView.extend({
  job_id: z.uuid(),
  code: z.string().nullable(),
  diff: z.string().nullable().meta({ description: 'Unified diff to the first parent.' }),
  log: z.string().nullable(),
}).meta({ id: 'SolutionDetail' });
export type SolutionDetail = z.infer<typeof SolutionDetail>;

const ResultBody = z.object({
  attempt: z.int(),
  partial: z.boolean().meta({ description: 'The job was cut off; this is the newest valid file.' }),
  quality: z.enum(['model', 'fallback']).meta({ description: '`fallback`: constants, no model.' }),
  valid: z.boolean(),
  metric: z.string().nullable(),
  direction: Direction.nullable(),
  metric_is_proxy: z.boolean(),
  trust: Trust.nullable().meta({ description: 'How far the score can be trusted, and why not further (docs/trust.md).' }),
  cv: Score.nullable(),
  expected: Score.nullable().meta({ description: 'What the leaderboard should say: corrected for the choice among solutions.' }),
  leaderboard: z.object({ public: z.number().nullable(), private: z.number().nullable(), ref: z.string().nullable() }).nullable(),
  solutions: z.int(),
  best_solution: z.int().nullable(),
  first_valid_seconds: z.number().nullable(),
  seconds: z.number().nullable(),
  notes: z.array(z.string()),
  files: z.array(z.object({ name: z.string(), sha256: z.string(), bytes: z.int(), content_type: z.string(), url: z.string() })),
});

/** `GET /result/{id}`: what was recorded; `result` is null when a job ended without a file. */
export const ResultView = z
  .object({
    job_id: z.uuid(),
    competition_name: z.string(),
    status: JobState,
    reason: z.string(),
    error: JobError.nullable(),
    result: ResultBody.nullable(),
    evidence: z.unknown().meta({ description: 'Content of evidence.json: how the score was measured.' }),
    links: Links,
  })
  .meta({ id: 'Result' });
export type ResultView = z.infer<typeof ResultView>;

export const LogsView = z
  .object({ job_id: z.uuid(), pod_name: z.string().nullable(), logs: z.string(), attempt: z.int(), truncated: z.boolean() })
  .meta({ id: 'Logs' });
export type LogsView = z.infer<typeof LogsView>;

export const HealthView = z
  .object({
    status: z.enum(['healthy', 'degraded']),
    timestamp: Instant,
    services: z.record(z.string(), z.string()),
    cluster_info: z.record(z.string(), z.unknown()),
    pending_jobs: z.int().nullable(),
    running_jobs: z.int().nullable(),
  })
  .meta({ id: 'Health' });
export type HealthView = z.infer<typeof HealthView>;

const NodeView = z.object({
  name: z.string(),
  status: z.string(),
  capacity: z.record(z.string(), z.string()),
  allocatable: z.record(z.string(), z.string()),
  labels: z.record(z.string(), z.string()),
});
export const NodesView = z.object({ total_nodes: z.int(), nodes: z.array(NodeView) }).meta({ id: 'Nodes' });
export type NodesView = z.infer<typeof NodesView>;

export const DeadLetterView = z
  .object({
    id: z.string(),
    received_at: Instant,
    event: z.record(z.string(), z.unknown()),
    error_destination: z.string().nullable(),
    error_code: z.string().nullable(),
    error_data: z.string().nullable(),
    redriven_at: Instant.nullable(),
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetterView = z.infer<typeof DeadLetterView>;

export const DeadLetterList = z.object({ dead_letters: z.array(DeadLetterView) }).meta({ id: 'DeadLetterList' });
export type DeadLetterList = z.infer<typeof DeadLetterList>;
