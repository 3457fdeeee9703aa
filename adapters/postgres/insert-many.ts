import type pg from 'pg';
import type { InsertOutcome, NewJob } from '#core/ports.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { isDatabaseError } from './errors.ts';
import type { CreatedRow } from './insert-job.ts';
import { buildEventContent, insertJob, toCreated } from './insert-job.ts';
import { cleanNullable, cleanText, toJson } from './json.ts';
import { selectJob } from './rows.ts';

const MAX_AT_ONCE = 64;
const MAX_RUNNING = 2;

// The same as INSERT for each element of one array. The rows come back in any order.
const INSERT_MANY: Statement = {
  name: 'insert-jobs',
  text: `
WITH r AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, tenant text, slug text, kaggle_url text, job_name text, reason text, options jsonb,
    priority integer, traceparent text, event_type text, event_source text, event_data jsonb, event_extensions jsonb, lease_ms float8)
), j AS (
  INSERT INTO jobs (id, tenant, slug, kaggle_url, job_name, reason, options, priority, traceparent)
  SELECT id, tenant, slug, kaggle_url, job_name, reason, options, priority, traceparent FROM r
  RETURNING *
), h AS (
  INSERT INTO job_events (job_id, seq, type, state, attempt, message)
  SELECT id, last_seq, 'submitted', state, attempt, reason FROM j
), o AS (
  INSERT INTO outbox (event_id, job_id, version, type, source, data, extensions, next_send_at)
  SELECT j.id || '.' || j.version || '.' || r.event_type, j.id, j.version, r.event_type, r.event_source, r.event_data, r.event_extensions,
    clock_timestamp() + r.lease_ms * interval '1 millisecond'
  FROM j JOIN r ON r.id = j.id
  RETURNING job_id, created_at
)
SELECT ${selectJob('j')}, o.created_at AS event_at FROM j JOIN o ON o.job_id = j.id`,
};

interface Waiting {
  readonly job: NewJob;
  readonly resolve: (outcome: InsertOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * `insertJob` for many callers at once: jobs that come while statements are running share the next one (a group commit), so that a burst costs
 * few round trips. A job that comes alone waits for nobody. Jobs with a key or a request of their own are inserted one by one.
 */
export function createJobInserter(pool: pg.Pool): (job: NewJob) => Promise<InsertOutcome> {
  const waiting: Waiting[] = [];
  let running = 0;
  const runNext = async (): Promise<void> => {
    const group = waiting.splice(0, MAX_AT_ONCE);
    if (group.length === 0) return;
    running += 1;
    try {
      await insertGroup(pool, group);
    } finally {
      running -= 1;
      if (running < MAX_RUNNING) void runNext();
    }
  };
  return (job) => {
    if (job.idempotencyKey !== null || job.request !== null) return insertJob(pool, job);
    return new Promise((resolve, reject) => {
      waiting.push({ job, resolve, reject });
      if (running < MAX_RUNNING) void runNext();
    });
  };
}

/** Settles every member of a group; never throws. */
async function insertGroup(pool: pg.Pool, group: readonly Waiting[]): Promise<void> {
  const [only] = group;
  if (group.length === 1 && only !== undefined) return insertAlone(pool, only);
  try {
    const rows = await runStatement<CreatedRow>(pool, INSERT_MANY, [toJson(group.map(({ job }) => buildRecord(job)))]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const { job, resolve, reject } of group) {
      const row = byId.get(job.id);
      if (row === undefined) reject(new Error(`the ledger did not say what became of job ${job.id}`));
      else resolve({ kind: 'created', ...toCreated(row, job) });
    }
  } catch (error) {
    // One of them clashes, and nothing was written: each for itself, so that only the culprit hears of it.
    if (isDatabaseError(error, '23505')) await Promise.all(group.map((member) => insertAlone(pool, member)));
    else for (const { reject } of group) reject(error);
  }
}

async function insertAlone(pool: pg.Pool, { job, resolve, reject }: Waiting): Promise<void> {
  await insertJob(pool, job).then(resolve, reject);
}

function buildRecord(job: NewJob): Record<string, unknown> {
  const { data, extensions } = buildEventContent(job);
  return {
    id: job.id,
    tenant: cleanText(job.tenant),
    slug: cleanText(job.slug),
    kaggle_url: cleanText(job.kaggleUrl),
    job_name: job.jobName,
    reason: cleanText(job.reason),
    options: job.options,
    priority: job.options.priority,
    traceparent: cleanNullable(job.traceparent),
    event_type: job.outbox.type,
    event_source: job.outbox.source,
    event_data: data,
    event_extensions: extensions,
    lease_ms: job.outboxLeaseMs,
  };
}
