import type { Kysely } from 'kysely';
import { sql } from 'kysely';

const STATEMENTS = [
  // created_at has milliseconds, so that a page's cursor made from a JavaScript Date is exact.
  `CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    slug text NOT NULL,
    kaggle_url text NOT NULL,
    job_name text NOT NULL CONSTRAINT jobs_job_name_unique UNIQUE,
    state text NOT NULL DEFAULT 'pending'
      CONSTRAINT jobs_state_known CHECK (state IN ('pending', 'queued', 'running', 'success', 'failed', 'timeout', 'cancelled')),
    reason text NOT NULL,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    last_seq integer NOT NULL DEFAULT 1 CHECK (last_seq > 0),
    options jsonb NOT NULL,
    priority integer NOT NULL,
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    failed_attempts integer NOT NULL DEFAULT 0,
    start_failures integer NOT NULL DEFAULT 0,
    launch_tries integer NOT NULL DEFAULT 0,
    cancel_requested_at timestamptz,
    not_before timestamptz,
    created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    queued_at timestamptz,
    started_at timestamptz,
    first_started_at timestamptz,
    completed_at timestamptz,
    progress jsonb,
    error jsonb,
    result jsonb,
    request_source text,
    request_id text,
    request_hash text,
    traceparent text,
    pod_name text,
    CONSTRAINT jobs_request_whole CHECK ((request_source IS NULL) = (request_id IS NULL))
  ) WITH (fillfactor = 80)`,
  `CREATE UNIQUE INDEX jobs_request_unique ON jobs (tenant, request_source, request_id) WHERE request_source IS NOT NULL`,
  `CREATE INDEX jobs_to_launch ON jobs (priority DESC, created_at, id) WHERE state = 'pending' AND cancel_requested_at IS NULL`,
  `CREATE INDEX jobs_cancelling ON jobs (id)
    WHERE cancel_requested_at IS NOT NULL AND state IN ('pending', 'queued', 'running')`,
  `CREATE INDEX jobs_by_age ON jobs (created_at DESC, id DESC)`,
  `CREATE INDEX jobs_by_tenant ON jobs (tenant, created_at DESC, id DESC)`,
  `CREATE INDEX jobs_by_state ON jobs (tenant, state, created_at DESC, id DESC)`,
  `CREATE INDEX jobs_completed ON jobs (completed_at) WHERE completed_at IS NOT NULL`,
  // spec is json, not jsonb: it is frozen, so its text is kept as it is.
  `CREATE TABLE attempts (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    state text NOT NULL
      CONSTRAINT attempts_state_known CHECK (state IN ('waiting', 'launching', 'launched', 'claimed', 'ended')),
    slot_held boolean NOT NULL,
    job_name text NOT NULL CONSTRAINT attempts_job_name_unique UNIQUE,
    spec json NOT NULL,
    spec_hash text NOT NULL,
    cluster_uid text,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    launched_at timestamptz,
    claimed_at timestamptz,
    ended_at timestamptz,
    last_event_seq integer NOT NULL DEFAULT 0,
    last_event_at timestamptz,
    remove_requested_at timestamptz,
    remove_reason text,
    outcome text,
    exit_code integer,
    reason text,
    recorded_in_cluster boolean NOT NULL DEFAULT false,
    PRIMARY KEY (job_id, number)
  ) WITH (fillfactor = 80)`,
  `CREATE UNIQUE INDEX attempts_one_open ON attempts (job_id) WHERE state <> 'ended'`,
  `CREATE INDEX attempts_open ON attempts (job_id, number) WHERE state <> 'ended' OR slot_held`,
  `CREATE INDEX attempts_holding_slots ON attempts (job_id, number) WHERE slot_held`,
  `CREATE INDEX attempts_launching ON attempts (lease_until) WHERE state = 'launching'`,
  // The ends of jobs and attempts are guarded here too, so that no statement, ours or a person's, can reopen them.
  `CREATE FUNCTION refuse_change_of_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% %: its end is recorded and never changes', TG_TABLE_NAME, OLD.state USING ERRCODE = 'KA001';
    END $$`,
  `CREATE TRIGGER jobs_end_is_final BEFORE UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.state IN ('success', 'failed', 'timeout', 'cancelled')
      AND (NEW.state <> OLD.state OR NEW.completed_at IS DISTINCT FROM OLD.completed_at))
    EXECUTE FUNCTION refuse_change_of_end()`,
  `CREATE TRIGGER attempts_end_is_final BEFORE UPDATE ON attempts FOR EACH ROW
    WHEN (OLD.state = 'ended' AND NEW.state <> OLD.state)
    EXECUTE FUNCTION refuse_change_of_end()`,
  // Called by a statement that finds, after its first write, that the attempt ended meanwhile: the whole statement is rolled back.
  `CREATE FUNCTION refuse_stale_attempt() RETURNS integer LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the attempt ended while the job was being changed' USING ERRCODE = 'KA002';
    END $$`,
  `CREATE TABLE job_events (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq integer NOT NULL CHECK (seq > 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    type text NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL,
    message text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, seq)
  )`,
  `CREATE TABLE solutions (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number integer NOT NULL CHECK (number >= 0),
    state text NOT NULL CONSTRAINT solutions_state_known CHECK (state IN ('running', 'valid', 'failed')),
    attempt integer NOT NULL,
    report jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, number)
  )`,
];

/** Jobs, their attempts, their history and their solutions. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
