import type { ColumnType, Generated } from 'kysely';
import type { Attempt, AttemptState, Job, JobEventType, JobOptions, JobState } from '#core/job.ts';
import type { PlainEvent } from '#core/events.ts';
import type { SolutionReport } from '#core/report.ts';

/** A timestamptz: read as a Date; written by the database's clock, so nothing of ours may be inserted. */
type DatabaseTime = ColumnType<Date, never, never>;
type NullableTime = ColumnType<Date | null, never, never>;
/** A jsonb column: read as its type, written as JSON text. */
type Json<T> = ColumnType<T, string, string>;

export interface JobsTable {
  id: string;
  tenant: string;
  slug: string;
  kaggle_url: string;
  job_name: string;
  state: JobState;
  reason: string;
  version: number;
  last_seq: number;
  options: Json<JobOptions>;
  priority: number;
  attempt: number;
  failed_attempts: number;
  start_failures: number;
  launch_tries: number;
  cancel_requested_at: NullableTime;
  not_before: NullableTime;
  created_at: DatabaseTime;
  updated_at: DatabaseTime;
  queued_at: NullableTime;
  started_at: NullableTime;
  first_started_at: NullableTime;
  completed_at: NullableTime;
  progress: Json<Job['progress']>;
  error: Json<Job['error']>;
  result: Json<Job['result']>;
  request_source: string | null;
  request_id: string | null;
  request_hash: string | null;
  traceparent: string | null;
  pod_name: string | null;
}

export interface AttemptsTable {
  job_id: string;
  number: number;
  state: AttemptState;
  slot_held: boolean;
  job_name: string;
  spec: Json<unknown>;
  spec_hash: string;
  cluster_uid: string | null;
  lease_until: NullableTime;
  created_at: DatabaseTime;
  launched_at: NullableTime;
  claimed_at: NullableTime;
  ended_at: NullableTime;
  last_event_seq: number;
  last_event_at: NullableTime;
  remove_requested_at: NullableTime;
  remove_reason: Attempt['removeReason'];
  outcome: Attempt['outcome'];
  exit_code: number | null;
  reason: string | null;
  recorded_in_cluster: boolean;
}

export interface JobEventsTable {
  job_id: string;
  seq: number;
  at: DatabaseTime;
  type: JobEventType;
  state: JobState;
  attempt: number;
  message: string;
  data: Json<Record<string, unknown>>;
}

export interface SolutionsTable {
  job_id: string;
  number: number;
  state: SolutionReport['state'];
  attempt: number;
  report: Json<SolutionReport>;
  updated_at: DatabaseTime;
}

export interface OutboxTable {
  event_id: string;
  job_id: string;
  version: number;
  type: string;
  source: string;
  data: Json<unknown>;
  extensions: Json<Record<string, string | number>>;
  created_at: DatabaseTime;
  next_send_at: DatabaseTime;
  tries: number;
  last_error: string | null;
  sent_at: NullableTime;
}

export interface InboxTable {
  consumer: string;
  source: string;
  id: string;
  received_at: DatabaseTime;
}

export interface DeadLettersTable {
  id: string;
  received_at: DatabaseTime;
  event: Json<PlainEvent>;
  error_destination: string | null;
  error_code: string | null;
  error_data: string | null;
  redriven_at: NullableTime;
}

export interface IdempotencyKeysTable {
  tenant: string;
  key: string;
  body_hash: string;
  job_id: string;
  created_at: DatabaseTime;
}

export interface CountersTable {
  name: string;
  value: Generated<number>;
}

/** Every table of the ledger, by its name in the database. */
export interface Tables {
  jobs: JobsTable;
  attempts: AttemptsTable;
  job_events: JobEventsTable;
  solutions: SolutionsTable;
  outbox: OutboxTable;
  inbox: InboxTable;
  dead_letters: DeadLettersTable;
  idempotency_keys: IdempotencyKeysTable;
  counters: CountersTable;
}
