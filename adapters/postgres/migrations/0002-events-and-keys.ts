import type { Kysely } from 'kysely';
import { sql } from 'kysely';

const STATEMENTS = [
  `CREATE TABLE outbox (
    event_id text PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    version integer NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    data jsonb NOT NULL,
    extensions jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_send_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    last_error text,
    sent_at timestamptz
  ) WITH (fillfactor = 80)`,
  `CREATE INDEX outbox_due ON outbox (next_send_at) WHERE sent_at IS NULL`,
  `CREATE INDEX outbox_by_job ON outbox (job_id)`,
  `CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL`,
  `CREATE TABLE inbox (
    consumer text NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, source, id)
  )`,
  `CREATE INDEX inbox_by_age ON inbox (received_at)`,
  // json, not jsonb: a dead letter may hold anything, and jsonb refuses some of it (the NUL character, lone surrogates).
  `CREATE TABLE dead_letters (
    id text PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    event json NOT NULL,
    error_destination text,
    error_code text,
    error_data text,
    redriven_at timestamptz
  )`,
  `CREATE INDEX dead_letters_by_age ON dead_letters (received_at DESC, id)`,
  `CREATE TABLE idempotency_keys (
    tenant text NOT NULL,
    key text NOT NULL,
    body_hash text NOT NULL,
    job_id uuid NOT NULL CONSTRAINT idempotency_keys_job REFERENCES jobs (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key)
  )`,
  `CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job_id)`,
  `CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    name text NOT NULL,
    key_hash text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
  )`,
  `CREATE TABLE counters (
    name text PRIMARY KEY,
    value bigint NOT NULL DEFAULT 0
  )`,
];

/** Events going out, coming in and given up; keys of requests and of callers; counters. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
