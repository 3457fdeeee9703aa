import type pg from 'pg';
import type { AttemptWithJob, MakeAttempt } from '#core/ports.ts';
import type { Statement } from './connect.ts';
import { runStatement, runTransaction } from './connect.ts';
import { toJson } from './json.ts';
import type { AttemptWithJobRow, JobRow } from './rows.ts';
import { selectAttemptWithJob, selectJob, toAttemptWithJob, toJob } from './rows.ts';

/** Any fixed number, the same in every version: who holds it gives out slots. SKIP LOCKED alone would not hold the cap. */
const LAUNCH_LOCK = 7_237_401_002;

const BEGIN = `BEGIN; SELECT pg_advisory_xact_lock(${LAUNCH_LOCK})`;

/** Pending, due, not asked to cancel, and without an attempt that is in the cluster or on its way there. */
export const IS_TO_LAUNCH = `j.state = 'pending' AND j.cancel_requested_at IS NULL
  AND (j.not_before IS NULL OR j.not_before <= statement_timestamp())
  AND NOT EXISTS (SELECT FROM attempts b WHERE b.job_id = j.id AND b.state IN ('launching', 'launched', 'claimed'))`;

// The order makes it use the index of pending jobs, where EXISTS may read the whole table.
const ANY_TO_LAUNCH: Statement = {
  name: 'any-to-launch',
  text: `SELECT (SELECT count(*)::integer FROM attempts WHERE slot_held) < $1::integer
  AND (SELECT j.id FROM jobs j WHERE ${IS_TO_LAUNCH} ORDER BY j.priority DESC, j.created_at, j.id LIMIT 1) IS NOT NULL AS found`,
};

// The row locks make a concurrent cancel wait, and see the new version afterwards.
const PICK: Statement = {
  name: 'pick-jobs-to-launch',
  text: `SELECT ${selectJob('j')}, a.number AS waiting_number, clock_timestamp() AS now
FROM jobs j LEFT JOIN attempts a ON a.job_id = j.id AND a.state = 'waiting'
WHERE ${IS_TO_LAUNCH}
ORDER BY j.priority DESC, j.created_at, j.id
LIMIT greatest(0, $1::integer - (SELECT count(*) FROM attempts WHERE slot_held))
FOR NO KEY UPDATE OF j`,
};

const RECORD: Statement = {
  name: 'record-launching',
  text: `
WITH given AS (
  SELECT * FROM json_to_recordset($1::json) AS given (job_id uuid, number integer, reopen boolean, job_name text, spec json, spec_hash text)
), j AS (
  UPDATE jobs SET version = jobs.version + 1, last_seq = jobs.last_seq + 1, attempt = given.number, updated_at = clock_timestamp(),
    reason = 'launching attempt ' || given.number
  FROM given WHERE jobs.id = given.job_id
  RETURNING jobs.*
), made AS (
  INSERT INTO attempts (job_id, number, state, slot_held, job_name, spec, spec_hash, lease_until)
  SELECT job_id, number, 'launching', true, job_name, spec, spec_hash, clock_timestamp() + $2::float8 * interval '1 millisecond'
  FROM given WHERE NOT reopen
  RETURNING *
), reopened AS (
  UPDATE attempts a SET state = 'launching', slot_held = true, lease_until = clock_timestamp() + $2 * interval '1 millisecond',
    cluster_uid = NULL, launched_at = NULL, remove_requested_at = NULL, remove_reason = NULL, exit_code = NULL, reason = NULL,
    recorded_in_cluster = false
  FROM given WHERE given.reopen AND a.job_id = given.job_id AND a.number = given.number AND a.state = 'waiting'
  RETURNING a.*
), a AS (
  SELECT * FROM made UNION ALL SELECT * FROM reopened
), h AS (
  INSERT INTO job_events (job_id, seq, type, state, attempt, message)
  SELECT j.id, j.last_seq, 'launching', j.state, j.attempt, j.reason FROM j
)
SELECT ${selectAttemptWithJob('a', 'j')} FROM a JOIN j ON j.id = a.job_id ORDER BY j.priority DESC, j.created_at, j.id`,
};

type PickedRow = JobRow & { readonly waiting_number: number | null; readonly now: Date };

/** See JobStore.claimSlots. Looks without the lock first: most wake-ups find nothing to do. */
export async function claimSlots(
  pool: pg.Pool,
  params: { readonly cap: number; readonly leaseMs: number; readonly make: MakeAttempt },
): Promise<AttemptWithJob[]> {
  const [look] = await runStatement<{ found: boolean }>(pool, ANY_TO_LAUNCH, [params.cap]);
  if (look?.found !== true) return [];
  return runTransaction(pool, BEGIN, async (client) => {
    const picked = await client.query<PickedRow>({ ...PICK, values: [params.cap] });
    if (picked.rows.length === 0) return [];
    const given = picked.rows.map((row) => giveSlot(row, params.make));
    const recorded = await client.query<AttemptWithJobRow>({ ...RECORD, values: [toJson(given), params.leaseMs] });
    if (recorded.rows.length !== given.length)
      throw new Error('claimSlots: a waiting attempt changed under the launch; nothing was claimed');
    return recorded.rows.map(toAttemptWithJob);
  });
}

function giveSlot(row: PickedRow, make: MakeAttempt) {
  if (row.waiting_number !== null) return { job_id: row.id, number: row.waiting_number, reopen: true };
  const number = row.attempt + 1;
  const { jobName, spec, specHash } = make(toJob(row), number, row.now);
  return { job_id: row.id, number, reopen: false, job_name: jobName, spec, spec_hash: specHash };
}
