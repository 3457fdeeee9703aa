import type { Selectable } from 'kysely';
import type { AttemptWithJob } from '#core/ports.ts';
import type { Attempt, Job, JobEvent } from '#core/job.ts';
import type { AttemptsTable, JobEventsTable, JobsTable } from './tables.ts';

type JobColumn = Exclude<keyof JobsTable, 'priority' | 'request_hash'>;
export type JobRow = Pick<Selectable<JobsTable>, JobColumn>;
export type AttemptRow = Selectable<AttemptsTable>;
export type JobEventRow = Selectable<JobEventsTable>;
/** An attempt's columns, its job's under the prefix `j_`, and the database's clock. */
export type AttemptWithJobRow = AttemptRow & { readonly [Column in JobColumn as `j_${Column}`]: JobRow[Column] } & { readonly now: Date };

export const JOB_COLUMNS = [
  'id',
  'tenant',
  'slug',
  'kaggle_url',
  'job_name',
  'traceparent',
  'state',
  'reason',
  'version',
  'last_seq',
  'options',
  'attempt',
  'failed_attempts',
  'start_failures',
  'launch_tries',
  'cancel_requested_at',
  'not_before',
  'created_at',
  'updated_at',
  'queued_at',
  'started_at',
  'first_started_at',
  'completed_at',
  'progress',
  'error',
  'result',
  'request_source',
  'request_id',
  'pod_name',
] as const satisfies readonly JobColumn[];

const ATTEMPT_COLUMNS = [
  'job_id',
  'number',
  'state',
  'slot_held',
  'job_name',
  'spec',
  'spec_hash',
  'cluster_uid',
  'lease_until',
  'created_at',
  'launched_at',
  'claimed_at',
  'ended_at',
  'last_event_seq',
  'last_event_at',
  'remove_requested_at',
  'remove_reason',
  'outcome',
  'exit_code',
  'reason',
  'recorded_in_cluster',
] as const satisfies readonly (keyof AttemptsTable)[];

/** The columns of a Job, for a SELECT or RETURNING; `alias` is the table's. */
export function selectJob(alias: string): string {
  return JOB_COLUMNS.map((column) => `${alias}.${column}`).join(', ');
}

/** The columns of an Attempt. */
export function selectAttempt(alias: string): string {
  return ATTEMPT_COLUMNS.map((column) => `${alias}.${column}`).join(', ');
}

/** The columns of an AttemptWithJobRow. */
export function selectAttemptWithJob(attempt: string, job: string): string {
  const ofJob = JOB_COLUMNS.map((column) => `${job}.${column} AS j_${column}`).join(', ');
  return `${selectAttempt(attempt)}, ${ofJob}, clock_timestamp() AS now`;
}

export function toJob(row: JobRow): Job {
  return {
    id: row.id,
    tenant: row.tenant,
    slug: row.slug,
    kaggleUrl: row.kaggle_url,
    jobName: row.job_name,
    traceparent: row.traceparent,
    state: row.state,
    reason: row.reason,
    version: row.version,
    lastSeq: row.last_seq,
    options: row.options,
    attempt: row.attempt,
    failedAttempts: row.failed_attempts,
    startFailures: row.start_failures,
    launchTries: row.launch_tries,
    cancelRequestedAt: row.cancel_requested_at,
    notBefore: row.not_before,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    firstStartedAt: row.first_started_at,
    completedAt: row.completed_at,
    progress: row.progress,
    error: row.error,
    result: row.result,
    requestSource: row.request_source,
    requestId: row.request_id,
    podName: row.pod_name,
  };
}

export function toAttempt(row: AttemptRow): Attempt {
  return {
    jobId: row.job_id,
    number: row.number,
    state: row.state,
    slotHeld: row.slot_held,
    jobName: row.job_name,
    spec: row.spec,
    specHash: row.spec_hash,
    clusterUid: row.cluster_uid,
    leaseUntil: row.lease_until,
    createdAt: row.created_at,
    launchedAt: row.launched_at,
    claimedAt: row.claimed_at,
    endedAt: row.ended_at,
    lastEventSeq: row.last_event_seq,
    lastEventAt: row.last_event_at,
    removeRequestedAt: row.remove_requested_at,
    removeReason: row.remove_reason,
    outcome: row.outcome,
    exitCode: row.exit_code,
    reason: row.reason,
    recordedInCluster: row.recorded_in_cluster,
  };
}

export function toAttemptWithJob(row: AttemptWithJobRow): AttemptWithJob {
  return { attempt: toAttempt(row), job: toJob(readPrefixedJob(row)), now: row.now };
}

function readPrefixedJob(row: AttemptWithJobRow): JobRow {
  return {
    id: row.j_id,
    tenant: row.j_tenant,
    slug: row.j_slug,
    kaggle_url: row.j_kaggle_url,
    job_name: row.j_job_name,
    state: row.j_state,
    reason: row.j_reason,
    version: row.j_version,
    last_seq: row.j_last_seq,
    options: row.j_options,
    attempt: row.j_attempt,
    failed_attempts: row.j_failed_attempts,
    start_failures: row.j_start_failures,
    launch_tries: row.j_launch_tries,
    cancel_requested_at: row.j_cancel_requested_at,
    not_before: row.j_not_before,
    created_at: row.j_created_at,
    updated_at: row.j_updated_at,
    queued_at: row.j_queued_at,
    started_at: row.j_started_at,
    first_started_at: row.j_first_started_at,
    completed_at: row.j_completed_at,
    progress: row.j_progress,
    error: row.j_error,
    result: row.j_result,
    request_source: row.j_request_source,
    request_id: row.j_request_id,
    pod_name: row.j_pod_name,
    traceparent: row.j_traceparent,
  };
}

export function toJobEvent(row: JobEventRow): JobEvent {
  return {
    jobId: row.job_id,
    seq: row.seq,
    at: row.at,
    type: row.type,
    state: row.state,
    attempt: row.attempt,
    message: row.message,
    data: row.data,
  };
}
