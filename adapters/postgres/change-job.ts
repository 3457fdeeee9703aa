import type pg from 'pg';
import type { ChangeJobParams } from '#core/ports.ts';
import type { Job } from '#core/job.ts';
import type { SolutionReport } from '#core/report.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { buildAttemptSet } from './change-attempt.ts';
import { STALE_ATTEMPT, isDatabaseError } from './errors.ts';
import { isUuid, toJson } from './json.ts';
import type { JobRow } from './rows.ts';
import { selectJob, toJob } from './rows.ts';

// A change is one JSON object, $5: a key that is missing leaves its column, a null clears it.
const SET_JOB = `
  version = jobs.version + 1,
  last_seq = jobs.last_seq + $8::integer,
  updated_at = clock_timestamp(),
  state = coalesce($5::jsonb ->> 'state', jobs.state),
  reason = coalesce($5 ->> 'reason', jobs.reason),
  failed_attempts = coalesce(($5 ->> 'failedAttempts')::integer, jobs.failed_attempts),
  start_failures = coalesce(($5 ->> 'startFailures')::integer, jobs.start_failures),
  launch_tries = coalesce(($5 ->> 'launchTries')::integer, jobs.launch_tries),
  not_before = CASE WHEN $5 ? 'notBeforeInMs'
    THEN clock_timestamp() + ($5 ->> 'notBeforeInMs')::float8 * interval '1 millisecond' ELSE jobs.not_before END,
  options = CASE WHEN $5 ? 'resources' THEN jsonb_set(jobs.options, '{resources}', $5 -> 'resources') ELSE jobs.options END,
  progress = CASE WHEN $5 ? 'progress' THEN nullif($5 -> 'progress', 'null') ELSE jobs.progress END,
  error = CASE WHEN $5 ? 'error' THEN nullif($5 -> 'error', 'null') ELSE jobs.error END,
  result = CASE WHEN $5 ? 'result' THEN nullif($5 -> 'result', 'null') ELSE jobs.result END,
  pod_name = CASE WHEN $5 -> 'clear' ? 'podName' THEN NULL WHEN $5 ? 'podName' THEN $5 ->> 'podName' ELSE jobs.pod_name END,
  queued_at = CASE WHEN $5 -> 'stamp' ? 'queuedAt' THEN clock_timestamp()
    WHEN $5 -> 'clear' ? 'queuedAt' THEN NULL ELSE jobs.queued_at END,
  started_at = CASE WHEN $5 -> 'stamp' ? 'startedAt' THEN clock_timestamp()
    WHEN $5 -> 'clear' ? 'startedAt' THEN NULL ELSE jobs.started_at END,
  first_started_at = CASE WHEN $5 -> 'stamp' ? 'firstStartedAt' THEN coalesce(jobs.first_started_at, clock_timestamp())
    ELSE jobs.first_started_at END,
  completed_at = CASE WHEN $5 -> 'stamp' ? 'completedAt' THEN coalesce(jobs.completed_at, clock_timestamp()) ELSE jobs.completed_at END,
  cancel_requested_at = CASE WHEN $5 -> 'stamp' ? 'cancelRequestedAt' THEN clock_timestamp() ELSE jobs.cancel_requested_at END`;

// Data of the event: JobFact. The score is the recorded one once there is a result, the best so far before.
const FACT = `jsonb_build_object('job_id', j.id, 'slug', j.slug, 'state', j.state, 'attempt', j.attempt, 'reason', j.reason,
    'score', CASE WHEN j.result IS NULL THEN j.progress #> '{best,score}' ELSE j.result #> '{cv,score}' END,
    'metric', CASE WHEN j.result IS NULL THEN j.progress -> 'metric' ELSE j.result -> 'metric' END)`;

// The job's row is written first, then the attempt's: the same order everywhere, so that two changes never wait for each other. Hence an
// attempt may end between the first look (EXISTS) and its own update: refuse_stale_attempt() then rolls everything back.
const CHANGE: Statement = {
  name: 'change-job',
  text: `
WITH j AS (
  UPDATE jobs SET ${SET_JOB}
  WHERE jobs.id = $1::uuid AND jobs.version = $2::integer AND jobs.attempt = $3::integer AND jobs.state = ANY ($4::text[])
    AND ($6::jsonb IS NULL OR $11::boolean
      OR EXISTS (SELECT FROM attempts WHERE job_id = $1 AND number = $3 AND attempts.state <> 'ended'))
    AND (NOT $7::boolean OR NOT EXISTS (SELECT FROM attempts WHERE job_id = $1 AND slot_held))
  RETURNING *
), a AS (
  UPDATE attempts SET ${buildAttemptSet('$6')}
  FROM j WHERE $6 IS NOT NULL AND attempts.job_id = j.id AND attempts.number = j.attempt AND attempts.state <> 'ended'
  RETURNING 1
), h AS (
  INSERT INTO job_events (job_id, seq, type, state, attempt, message, data)
  SELECT j.id, j.last_seq - $8 + line.n, line.type, j.state, j.attempt, line.message, coalesce(line.data, '{}')
  FROM j, jsonb_to_recordset($9::jsonb -> 'history') AS line (n integer, type text, message text, data jsonb)
), o AS (
  INSERT INTO outbox (event_id, job_id, version, type, source, data, extensions)
  SELECT j.id || '.' || j.version || '.' || event.type, j.id, j.version, event.type, event.source, ${FACT},
    jsonb_strip_nulls(jsonb_build_object('attempt', j.attempt, 'tenant', j.tenant, 'traceparent', j.traceparent))
  FROM j, jsonb_to_recordset($9 -> 'outbox') AS event (type text, source text)
), s AS (
  INSERT INTO solutions (job_id, number, state, attempt, report)
  SELECT j.id, (report ->> 'number')::integer, report ->> 'state', j.attempt, report
  FROM j, jsonb_array_elements($10::jsonb) AS report
  ON CONFLICT (job_id, number) DO UPDATE
    SET state = excluded.state, attempt = excluded.attempt, report = excluded.report, updated_at = clock_timestamp()
    WHERE solutions.state = 'running'
)
SELECT ${selectJob('j')},
  CASE WHEN $6 IS NOT NULL AND NOT $11 AND NOT EXISTS (SELECT FROM a) THEN refuse_stale_attempt() END AS refused
FROM j`,
};

/** See JobStore.changeJob: one statement, so all of it or nothing. */
export async function changeJob(pool: pg.Pool, params: ChangeJobParams): Promise<Job | null> {
  if (!isUuid(params.job.id)) return null;
  const lines = params.history.map((line, index) => ({ n: index + 1, ...line }));
  const values = [
    params.job.id,
    params.job.version,
    params.job.attempt,
    params.from,
    toJson(params.change),
    params.attempt === undefined ? null : toJson(params.attempt),
    params.onlyWithoutSlot ?? false,
    lines.length,
    toJson({ history: lines, outbox: params.outbox }),
    params.solutions === undefined || params.solutions.length === 0 ? null : toJson(pickSolutions(params.solutions)),
    params.attemptMayHaveEnded ?? false,
  ];
  try {
    const rows = await runStatement<JobRow>(pool, CHANGE, values);
    return rows[0] === undefined ? null : toJob(rows[0]);
  } catch (error) {
    if (isDatabaseError(error, STALE_ATTEMPT)) return null;
    throw error;
  }
}

/** One report a number: the last one, but never past the first final one. */
function pickSolutions(reports: readonly SolutionReport[]): SolutionReport[] {
  const picked = new Map<number, SolutionReport>();
  for (const report of reports) {
    const earlier = picked.get(report.number);
    if (earlier === undefined || earlier.state === 'running') picked.set(report.number, report);
  }
  return [...picked.values()];
}
