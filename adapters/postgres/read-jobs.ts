import type { Expression, ExpressionBuilder, SqlBool } from 'kysely';
import { z } from 'zod';
import type pg from 'pg';
import type { JobQuery } from '#core/ports.ts';
import type { Job, JobState } from '#core/job.ts';
import { JOB_STATES } from '#core/job.ts';
import { callerError } from '#core/errors.ts';
import type { Ledger, Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { withRetries } from './errors.ts';
import { cleanText, isUuid } from './json.ts';
import type { JobRow } from './rows.ts';
import { JOB_COLUMNS, selectJob, toJob } from './rows.ts';
import type { Tables } from './tables.ts';

/** What `getJob` runs; the benchmark gives it to a bare express handler. */
export const GET: Statement = { name: 'get-job', text: `SELECT ${selectJob('jobs')} FROM jobs WHERE id = $1` };

const Cursor = z.strictObject({ at: z.int().min(-8_640_000_000_000_000).max(8_640_000_000_000_000), id: z.uuid() });

/** See JobStore.getJob. Ids that are no uuid belong to no job. */
export async function getJob(pool: pg.Pool, id: string): Promise<Job | null> {
  if (!isUuid(id)) return null;
  const rows = await runStatement<JobRow>(pool, GET, [id]);
  return rows[0] === undefined ? null : toJob(rows[0]);
}

/** See JobStore.listJobs: newest first. */
export async function listJobs({ db }: Ledger, query: JobQuery): Promise<{ jobs: Job[]; total: number; nextCursor: string | null }> {
  const after = query.cursor === null ? null : readCursor(query.cursor);
  const where = (eb: ExpressionBuilder<Tables, 'jobs'>) => eb.and(buildFilters(eb, query));
  const page = db
    .selectFrom('jobs')
    .select(JOB_COLUMNS)
    .where(where)
    .$if(after !== null, (rows) =>
      rows.where((eb) => eb(eb.refTuple('created_at', 'id'), '<', eb.tuple(new Date(after?.at ?? 0), after?.id ?? ''))),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(query.limit + 1);
  const count = db
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .where(where);
  const [rows, total] = await Promise.all([withRetries(() => page.execute()), withRetries(() => count.executeTakeFirstOrThrow())]);
  const jobs = rows.slice(0, query.limit).map(toJob);
  const last = rows.length > query.limit ? jobs.at(-1) : undefined;
  return { jobs, total: total.total, nextCursor: last === undefined ? null : writeCursor(last) };
}

/** See JobStore.countJobs: every state, with 0 where there is none. */
export async function countJobs({ db }: Ledger, tenant: string | null): Promise<Record<JobState, number>> {
  const counts: Record<JobState, number> = { pending: 0, queued: 0, running: 0, success: 0, failed: 0, timeout: 0, cancelled: 0 };
  const query = db
    .selectFrom('jobs')
    .select(['state', (eb) => eb.fn.countAll<number>().as('count')])
    .$if(tenant !== null, (rows) => rows.where('tenant', '=', cleanText(tenant ?? '')))
    .groupBy('state');
  for (const row of await withRetries(() => query.execute())) counts[row.state] = row.count;
  return counts;
}

function buildFilters(eb: ExpressionBuilder<Tables, 'jobs'>, query: JobQuery): Expression<SqlBool>[] {
  const filters: Expression<SqlBool>[] = [];
  if (query.tenant !== null) filters.push(eb('tenant', '=', cleanText(query.tenant)));
  if (query.states !== null) filters.push(eb('state', '=', eb.fn.any(eb.val(JOB_STATES.filter((state) => query.states?.includes(state))))));
  if (query.request !== null) {
    filters.push(eb('request_source', '=', cleanText(query.request.source)), eb('request_id', '=', cleanText(query.request.id)));
  }
  return filters;
}

function writeCursor(job: Job): string {
  return Buffer.from(JSON.stringify({ at: job.createdAt.getTime(), id: job.id })).toString('base64url');
}

function readCursor(cursor: string): z.infer<typeof Cursor> {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw callerError(
      'invalid-query',
      400,
      'The cursor is not one that this service gave out. Leave it away to start with the first page.',
    );
  }
}
