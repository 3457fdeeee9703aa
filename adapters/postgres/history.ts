import type pg from 'pg';
import type { JobEvent } from '#core/job.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { isUuid } from './json.ts';
import type { JobEventRow } from './rows.ts';
import { toJobEvent } from './rows.ts';

const COLUMNS = 'job_id, seq, at, type, state, attempt, message, data';

const READ_ONE: Statement = {
  name: 'read-history',
  text: `SELECT ${COLUMNS} FROM job_events WHERE job_id = $1::uuid AND seq > $2::integer ORDER BY seq LIMIT $3::integer`,
};

const READ_MANY: Statement = {
  name: 'read-histories',
  text: `SELECT line.* FROM unnest($1::uuid[], $2::integer[]) AS asked (job_id, seq)
CROSS JOIN LATERAL (
  SELECT ${COLUMNS} FROM job_events e WHERE e.job_id = asked.job_id AND e.seq > asked.seq ORDER BY e.seq LIMIT $3::integer
) AS line
ORDER BY line.job_id, line.seq`,
};

/** See JobStore.readHistory. */
export async function readHistory(
  pool: pg.Pool,
  params: { readonly jobId: string; readonly afterSeq: number; readonly limit: number },
): Promise<JobEvent[]> {
  if (!isUuid(params.jobId)) return [];
  const rows = await runStatement<JobEventRow>(pool, READ_ONE, [params.jobId, clampSeq(params.afterSeq), params.limit]);
  return rows.map(toJobEvent);
}

/** See JobStore.readHistories: at most `limit` lines a job, by job and seq. */
export async function readHistories(
  pool: pg.Pool,
  params: { readonly after: ReadonlyMap<string, number>; readonly limit: number },
): Promise<JobEvent[]> {
  const asked = [...params.after].filter(([jobId]) => isUuid(jobId));
  if (asked.length === 0) return [];
  const values = [asked.map(([jobId]) => jobId), asked.map(([, seq]) => clampSeq(seq)), params.limit];
  const rows = await runStatement<JobEventRow>(pool, READ_MANY, values);
  return rows.map(toJobEvent);
}

/** A caller's `Last-Event-ID` can be any number. */
function clampSeq(seq: number): number {
  return Math.min(Math.max(Math.trunc(seq) || 0, 0), 2_147_483_647);
}
