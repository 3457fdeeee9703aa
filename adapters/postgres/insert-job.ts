import type pg from 'pg';
import type { InsertOutcome, NewJob } from '#core/ports.ts';
import type { Job } from '#core/job.ts';
import type { PlainEvent } from '#core/events.ts';
import { unavailable } from '#core/errors.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { isDatabaseError } from './errors.ts';
import { cleanNullable, cleanText, toJson } from './json.ts';
import type { JobRow } from './rows.ts';
import { selectJob, toJob } from './rows.ts';

/** A repeat that finds neither a free key nor its job met the deletion of an old job; looking again settles it. */
const LOOKS = 3;

// One statement = one transaction = one round trip. ON CONFLICT waits for a concurrent twin, and writes nothing if that one commits.
function buildInsert(key: { readonly cte: string; readonly where: string }): string {
  return `
WITH ${key.cte} j AS (
  INSERT INTO jobs (id, tenant, slug, kaggle_url, job_name, reason, options, priority, request_source, request_id, request_hash, traceparent)
  SELECT $1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::jsonb, $8::integer, $9::text, $10::text, $11::text, $12::text
  ${key.where}
  ON CONFLICT (tenant, request_source, request_id) WHERE request_source IS NOT NULL DO NOTHING
  RETURNING *
), h AS (
  INSERT INTO job_events (job_id, seq, type, state, attempt, message)
  SELECT id, last_seq, 'submitted', state, attempt, reason FROM j
), o AS (
  INSERT INTO outbox (event_id, job_id, version, type, source, data, extensions, next_send_at)
  SELECT id || '.' || version || '.' || $13::text, id, version, $13::text, $14::text, $15::jsonb, $16::jsonb,
    clock_timestamp() + $17::float8 * interval '1 millisecond'
  FROM j RETURNING created_at
)
SELECT ${selectJob('j')}, (SELECT created_at FROM o) AS event_at FROM j`;
}

/** What `insertJob` runs for a job without keys; the benchmark gives it to pgbench. */
export const INSERT: Statement = { name: 'insert-job', text: buildInsert({ cte: '', where: '' }) };

const INSERT_WITH_KEY: Statement = {
  name: 'insert-job-with-key',
  text: buildInsert({
    cte: `k AS (
  INSERT INTO idempotency_keys (tenant, key, body_hash, job_id) VALUES ($2::text, $18::text, $19::text, $1::uuid)
  ON CONFLICT (tenant, key) DO NOTHING
  RETURNING job_id
),`,
    where: 'WHERE EXISTS (SELECT FROM k)',
  }),
};

const FIND_BY_KEY: Statement = {
  name: 'find-job-by-key',
  text: `SELECT ${selectJob('j')}, k.body_hash AS hash FROM idempotency_keys k JOIN jobs j ON j.id = k.job_id WHERE k.tenant = $1 AND k.key = $2`,
};

const FIND_BY_REQUEST: Statement = {
  name: 'find-job-by-request',
  text: `SELECT ${selectJob('j')}, j.request_hash AS hash FROM jobs j WHERE j.tenant = $1 AND j.request_source = $2 AND j.request_id = $3`,
};

type FoundRow = JobRow & { readonly hash: string | null };
/** A new job, with the time of its event. */
export type CreatedRow = JobRow & { readonly event_at: Date };

/** See JobStore.insertJob. */
export async function insertJob(pool: pg.Pool, job: NewJob): Promise<InsertOutcome> {
  for (let look = 0; look < LOOKS; look += 1) {
    const created = await tryInsert(pool, job);
    if (created === 'name-taken') return { kind: 'name-taken' };
    if (created !== null) return { kind: 'created', ...created };
    const earlier = await findEarlier(pool, job);
    if (earlier !== null) return { kind: earlier.same ? 'replayed' : 'mismatch', job: earlier.job };
  }
  throw unavailable('The job of this key was being deleted just now. Send the same request again.');
}

/** See JobStore.findJobByRequest. */
export async function findJobByRequest(pool: pg.Pool, tenant: string, source: string, id: string): Promise<Job | null> {
  const rows = await runStatement<FoundRow>(pool, FIND_BY_REQUEST, [tenant, cleanText(source), cleanText(id)]);
  return rows[0] === undefined ? null : toJob(rows[0]);
}

/** The new job; null when the key or the request came before. */
async function tryInsert(pool: pg.Pool, job: NewJob): Promise<{ job: Job; event: PlainEvent } | 'name-taken' | null> {
  const key = job.idempotencyKey;
  try {
    const [row] = await runStatement<CreatedRow>(pool, key === null ? INSERT : INSERT_WITH_KEY, buildValues(job));
    return row === undefined ? null : toCreated(row, job);
  } catch (error) {
    if (isDatabaseError(error, '23505', 'jobs_job_name_unique') || isDatabaseError(error, '23505', 'jobs_pkey')) return 'name-taken';
    // The key was free but the request came before: the statement has undone the key.
    if (isDatabaseError(error, '23503', 'idempotency_keys_job')) return null;
    throw error;
  }
}

/** A new job and its event, as they are in the ledger now. */
export function toCreated(row: CreatedRow, { outbox: { type, source }, ...job }: NewJob): { job: Job; event: PlainEvent } {
  const created = toJob(row);
  const id = `${created.id}.${created.version}.${type}`;
  const time = row.event_at.toISOString();
  return { job: created, event: { id, type, source, subject: created.id, time, ...buildEventContent(job) } };
}

/** What the event of a new job says. */
export function buildEventContent(job: Omit<NewJob, 'outbox'>): Pick<PlainEvent, 'data' | 'extensions'> {
  const traceparent = cleanNullable(job.traceparent);
  const [slug, reason] = [cleanText(job.slug), cleanText(job.reason)];
  return {
    data: { job_id: job.id, slug, state: 'pending', attempt: 0, reason, score: null, metric: null },
    extensions: { attempt: 0, tenant: cleanText(job.tenant), ...(traceparent !== null && { traceparent }) },
  };
}

function buildValues(job: NewJob): unknown[] {
  const { data, extensions } = buildEventContent(job);
  const values: unknown[] = [
    job.id,
    cleanText(job.tenant),
    cleanText(job.slug),
    cleanText(job.kaggleUrl),
    job.jobName,
    cleanText(job.reason),
    toJson(job.options),
    job.options.priority,
    cleanNullable(job.request?.source ?? null),
    cleanNullable(job.request?.id ?? null),
    job.request?.bodyHash ?? null,
    cleanNullable(job.traceparent),
    job.outbox.type,
    job.outbox.source,
    toJson(data),
    toJson(extensions),
    job.outboxLeaseMs,
  ];
  if (job.idempotencyKey !== null) values.push(cleanText(job.idempotencyKey.key), job.idempotencyKey.bodyHash);
  return values;
}

async function findEarlier(pool: pg.Pool, job: NewJob): Promise<{ job: Job; same: boolean } | null> {
  if (job.idempotencyKey !== null) {
    const rows = await runStatement<FoundRow>(pool, FIND_BY_KEY, [cleanText(job.tenant), cleanText(job.idempotencyKey.key)]);
    if (rows[0] !== undefined) return { job: toJob(rows[0]), same: rows[0].hash === job.idempotencyKey.bodyHash };
  }
  if (job.request === null) return null;
  const values = [cleanText(job.tenant), cleanText(job.request.source), cleanText(job.request.id)];
  const rows = await runStatement<FoundRow>(pool, FIND_BY_REQUEST, values);
  return rows[0] === undefined ? null : { job: toJob(rows[0]), same: rows[0].hash === job.request.bodyHash };
}
