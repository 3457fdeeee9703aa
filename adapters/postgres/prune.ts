import type pg from 'pg';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';

const SENT_DAYS = 7;

const PRUNE_OUTBOX: Statement = {
  name: 'prune-outbox',
  text: `WITH old AS MATERIALIZED (
  SELECT event_id FROM outbox WHERE sent_at < statement_timestamp() - make_interval(days => $1::integer)
  ORDER BY sent_at LIMIT $2::integer FOR UPDATE SKIP LOCKED
)
DELETE FROM outbox USING old WHERE outbox.event_id = old.event_id RETURNING outbox.event_id`,
};

const PRUNE_INBOX: Statement = {
  name: 'prune-inbox',
  text: `WITH old AS MATERIALIZED (
  SELECT consumer, source, id FROM inbox WHERE received_at < statement_timestamp() - make_interval(days => $1::integer)
  ORDER BY received_at LIMIT $2::integer FOR UPDATE SKIP LOCKED
)
DELETE FROM inbox USING old WHERE inbox.consumer = old.consumer AND inbox.source = old.source AND inbox.id = old.id`,
};

// A job goes with its attempts, history, solutions and keys; not while the cluster may run something of it or an event is unsent. That its objects
// must follow is noted in the same transaction.
const PRUNE_JOBS: Statement = {
  name: 'prune-jobs',
  text: `WITH old AS MATERIALIZED (
  SELECT id FROM jobs j WHERE completed_at < statement_timestamp() - make_interval(days => $1::integer)
    AND state IN ('success', 'failed', 'timeout', 'cancelled')
    AND NOT EXISTS (SELECT FROM attempts a WHERE a.job_id = j.id AND a.slot_held)
    AND NOT EXISTS (SELECT FROM outbox o WHERE o.job_id = j.id AND o.sent_at IS NULL)
  ORDER BY completed_at LIMIT $2::integer FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM jobs USING old WHERE jobs.id = old.id RETURNING jobs.id
)
INSERT INTO pruned_jobs (id) SELECT id FROM gone`,
};

const LIST_PRUNED: Statement = { name: 'list-pruned', text: 'SELECT id FROM pruned_jobs ORDER BY pruned_at, id LIMIT $1::integer' };

const FORGET_PRUNED: Statement = { name: 'forget-pruned', text: 'DELETE FROM pruned_jobs WHERE id = $1::uuid' };

/** See JobStore.prune. */
export async function prune(
  pool: pg.Pool,
  params: { readonly retentionDays: number; readonly limit: number },
): Promise<{ outbox: number; jobs: string[] }> {
  const outbox = await runStatement(pool, PRUNE_OUTBOX, [SENT_DAYS, params.limit]);
  await runStatement(pool, PRUNE_INBOX, [params.retentionDays, params.limit]);
  await runStatement(pool, PRUNE_JOBS, [params.retentionDays, params.limit]);
  const jobs = await runStatement<{ id: string }>(pool, LIST_PRUNED, [params.limit]);
  return { outbox: outbox.length, jobs: jobs.map((row) => row.id) };
}

/** See JobStore.forgetPruned. */
export async function forgetPruned(pool: pg.Pool, jobId: string): Promise<void> {
  await runStatement(pool, FORGET_PRUNED, [jobId]);
}
