import type pg from 'pg';
import type { AttemptWithJob, WorkSummary } from '#core/ports.ts';
import { callerError } from '#core/errors.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { IS_TO_LAUNCH } from './claim-slots.ts';
import { isUuid } from './json.ts';
import type { AttemptWithJobRow } from './rows.ts';
import { selectAttemptWithJob, toAttemptWithJob } from './rows.ts';

const GET: Statement = {
  name: 'get-attempt',
  text: `SELECT ${selectAttemptWithJob('a', 'j')} FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.job_id = $1::uuid AND a.number = $2::integer`,
};

const FIND_BY_NAME: Statement = {
  name: 'find-attempt-by-name',
  text: `SELECT ${selectAttemptWithJob('a', 'j')} FROM attempts a JOIN jobs j ON j.id = a.job_id WHERE a.job_name = $1::text`,
};

const IS_LEASE_OVER = `state = 'launching' AND (lease_until IS NULL OR lease_until <= statement_timestamp())`;

const TAKE_EXPIRED: Statement = {
  name: 'take-expired-launches',
  text: `
WITH due AS MATERIALIZED (
  SELECT job_id, number FROM attempts WHERE ${IS_LEASE_OVER} ORDER BY lease_until LIMIT $2::integer FOR UPDATE SKIP LOCKED
), a AS (
  UPDATE attempts SET lease_until = clock_timestamp() + $1::float8 * interval '1 millisecond'
  FROM due WHERE attempts.job_id = due.job_id AND attempts.number = due.number
  RETURNING attempts.*
)
SELECT ${selectAttemptWithJob('a', 'j')} FROM a JOIN jobs j ON j.id = a.job_id ORDER BY a.created_at`,
};

const LIST_OPEN: Statement = {
  name: 'list-open-attempts',
  text: `SELECT ${selectAttemptWithJob('a', 'j')} FROM attempts a JOIN jobs j ON j.id = a.job_id
WHERE (a.state <> 'ended' OR a.slot_held) AND (a.job_id, a.number) > ($1::uuid, $2::integer)
ORDER BY a.job_id, a.number LIMIT $3::integer`,
};

// Removals: what holds a slot though it was told to go, its job is to be cancelled, or its end is recorded.
const READ_WORK: Statement = {
  name: 'read-work',
  text: `SELECT
  (SELECT count(*)::integer FROM jobs j WHERE ${IS_TO_LAUNCH}) AS pending_due,
  (SELECT count(*)::integer FROM attempts WHERE slot_held) AS slots_held,
  (SELECT count(*)::integer FROM attempts a JOIN jobs j ON j.id = a.job_id
    WHERE a.slot_held AND (a.remove_requested_at IS NOT NULL OR a.state = 'ended'
      OR (j.cancel_requested_at IS NOT NULL AND j.state IN ('pending', 'queued', 'running')))) AS removals_due,
  (SELECT count(*)::integer FROM attempts WHERE ${IS_LEASE_OVER}) AS launches_expired,
  (SELECT count(*)::integer FROM outbox WHERE sent_at IS NULL AND next_send_at <= statement_timestamp()) AS outbox_due`,
};

interface WorkRow {
  readonly pending_due: number;
  readonly slots_held: number;
  readonly removals_due: number;
  readonly launches_expired: number;
  readonly outbox_due: number;
}

const FIRST = { jobId: '00000000-0000-0000-0000-000000000000', number: 0 };

/** See JobStore.getAttempt. */
export async function getAttempt(pool: pg.Pool, jobId: string, number: number): Promise<AttemptWithJob | null> {
  if (!isUuid(jobId) || !Number.isInteger(number) || number < 1 || number > 2_147_483_647) return null;
  return firstOrNull(await runStatement<AttemptWithJobRow>(pool, GET, [jobId, number]));
}

/** See JobStore.findAttemptByName. */
export async function findAttemptByName(pool: pg.Pool, jobName: string): Promise<AttemptWithJob | null> {
  if (jobName.includes('\0')) return null;
  return firstOrNull(await runStatement<AttemptWithJobRow>(pool, FIND_BY_NAME, [jobName]));
}

/** See JobStore.takeExpiredLaunches. */
export async function takeExpiredLaunches(
  pool: pg.Pool,
  params: { readonly leaseMs: number; readonly limit: number },
): Promise<AttemptWithJob[]> {
  const rows = await runStatement<AttemptWithJobRow>(pool, TAKE_EXPIRED, [params.leaseMs, params.limit]);
  return rows.map(toAttemptWithJob);
}

/** See JobStore.listOpenAttempts. */
export async function listOpenAttempts(
  pool: pg.Pool,
  params: { readonly after: string | null; readonly limit: number },
): Promise<{ items: AttemptWithJob[]; next: string | null }> {
  const after = params.after === null ? FIRST : parseAfter(params.after);
  const rows = await runStatement<AttemptWithJobRow>(pool, LIST_OPEN, [after.jobId, after.number, params.limit]);
  const last = rows.length < params.limit ? undefined : rows.at(-1);
  return { items: rows.map(toAttemptWithJob), next: last === undefined ? null : `${last.job_id}/${last.number}` };
}

/** See JobStore.readWork. */
export async function readWork(pool: pg.Pool): Promise<WorkSummary> {
  const [row] = await runStatement<WorkRow>(pool, READ_WORK, []);
  if (row === undefined) throw new Error('readWork: the statement gave no row');
  return {
    pendingDue: row.pending_due,
    slotsHeld: row.slots_held,
    removalsDue: row.removals_due,
    launchesExpired: row.launches_expired,
    outboxDue: row.outbox_due,
  };
}

function parseAfter(after: string): { jobId: string; number: number } {
  const [jobId = '', number = ''] = after.split('/');
  if (!isUuid(jobId) || !/^\d{1,9}$/.test(number))
    throw callerError('invalid-query', 400, 'This page of open attempts is unknown. Start without `after`.');
  return { jobId, number: Number(number) };
}

function firstOrNull(rows: readonly AttemptWithJobRow[]): AttemptWithJob | null {
  return rows[0] === undefined ? null : toAttemptWithJob(rows[0]);
}
