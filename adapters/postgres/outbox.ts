import type { Selectable } from 'kysely';
import type pg from 'pg';
import type { OutboxRow } from '#core/ports.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { cleanText, isUuid } from './json.ts';
import type { OutboxTable } from './tables.ts';

// statement_timestamp() in conditions: unlike clock_timestamp() it does not change within a statement, so indexes can be used.
function buildLease(filter: string): string {
  return `
WITH due AS MATERIALIZED (
  SELECT event_id FROM outbox WHERE sent_at IS NULL AND next_send_at <= statement_timestamp() ${filter}
  ORDER BY next_send_at, event_id LIMIT $1::integer FOR UPDATE SKIP LOCKED
), leased AS (
  UPDATE outbox SET next_send_at = clock_timestamp() + $2::float8 * interval '1 millisecond'
  FROM due WHERE outbox.event_id = due.event_id
  RETURNING outbox.*
)
SELECT event_id, job_id, type, source, data, extensions, created_at, tries FROM leased ORDER BY created_at, version`;
}

const LEASE: Statement = { name: 'lease-outbox', text: buildLease('') };
const LEASE_OF_JOB: Statement = { name: 'lease-outbox-of-job', text: buildLease('AND job_id = $3::uuid') };

const MARK_SENT: Statement = {
  name: 'mark-sent',
  text: `UPDATE outbox SET sent_at = clock_timestamp(), last_error = NULL WHERE event_id = ANY ($1::text[]) AND sent_at IS NULL`,
};

const RESCHEDULE: Statement = {
  name: 'reschedule-send',
  text: `UPDATE outbox SET tries = tries + 1, last_error = $3::text, next_send_at = clock_timestamp() + $2::float8 * interval '1 millisecond'
WHERE event_id = $1::text AND sent_at IS NULL`,
};

type LeasedRow = Pick<Selectable<OutboxTable>, 'event_id' | 'job_id' | 'type' | 'source' | 'data' | 'extensions' | 'created_at' | 'tries'>;

/** See JobStore.leaseOutbox: oldest first; a leased row is due again when its lease is over. */
export async function leaseOutbox(
  pool: pg.Pool,
  params: { readonly limit: number; readonly leaseMs: number; readonly jobId: string | null },
): Promise<OutboxRow[]> {
  const values: unknown[] = [params.limit, params.leaseMs];
  if (params.jobId === null) return (await runStatement<LeasedRow>(pool, LEASE, values)).map(toOutboxRow);
  if (!isUuid(params.jobId)) return [];
  return (await runStatement<LeasedRow>(pool, LEASE_OF_JOB, [...values, params.jobId])).map(toOutboxRow);
}

/** See JobStore.markSent. */
export async function markSent(pool: pg.Pool, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length > 0) await runStatement(pool, MARK_SENT, [eventIds]);
}

/** See JobStore.rescheduleSend. */
export async function rescheduleSend(
  pool: pg.Pool,
  params: { readonly eventId: string; readonly delayMs: number; readonly error: string },
): Promise<void> {
  await runStatement(pool, RESCHEDULE, [params.eventId, params.delayMs, cleanText(params.error)]);
}

function toOutboxRow(row: LeasedRow): OutboxRow {
  return {
    event: {
      id: row.event_id,
      type: row.type,
      source: row.source,
      subject: row.job_id,
      time: row.created_at.toISOString(),
      data: row.data,
      extensions: row.extensions,
    },
    jobId: row.job_id,
    tries: row.tries,
    createdAt: row.created_at,
  };
}
