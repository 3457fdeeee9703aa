import type pg from 'pg';
import type { AttemptChange } from '#core/ports.ts';
import type { Attempt, AttemptState } from '#core/job.ts';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { isUuid, toJson } from './json.ts';
import type { AttemptRow } from './rows.ts';
import { selectAttempt, toAttempt } from './rows.ts';

const STAMPS = [
  ['launchedAt', 'launched_at'],
  ['claimedAt', 'claimed_at'],
  ['endedAt', 'ended_at'],
  ['lastEventAt', 'last_event_at'],
  ['removeRequestedAt', 'remove_requested_at'],
] as const satisfies readonly (readonly [NonNullable<AttemptChange['stamp']>[number], string])[];

/** The SET list of an attempt's change, given as one jsonb parameter: a missing key leaves its column, a null clears it. */
export function buildAttemptSet(change: string): string {
  const c = `${change}::jsonb`;
  const stamps = STAMPS.map(
    ([name, column]) => `${column} = CASE WHEN ${c} -> 'stamp' ? '${name}' THEN clock_timestamp() ELSE attempts.${column} END`,
  );
  return `
  state = coalesce(${c} ->> 'state', attempts.state),
  slot_held = coalesce((${c} ->> 'slotHeld')::boolean, attempts.slot_held),
  cluster_uid = CASE WHEN ${c} ? 'clusterUid' THEN ${c} ->> 'clusterUid' ELSE attempts.cluster_uid END,
  lease_until = CASE WHEN ${c} ? 'leaseForMs'
    THEN clock_timestamp() + (${c} ->> 'leaseForMs')::float8 * interval '1 millisecond' ELSE attempts.lease_until END,
  last_event_seq = greatest(attempts.last_event_seq, (${c} ->> 'lastEventSeq')::integer),
  outcome = CASE WHEN ${c} ? 'outcome' THEN ${c} ->> 'outcome' ELSE attempts.outcome END,
  exit_code = CASE WHEN ${c} ? 'exitCode' THEN (${c} ->> 'exitCode')::integer ELSE attempts.exit_code END,
  reason = CASE WHEN ${c} ? 'reason' THEN ${c} ->> 'reason' ELSE attempts.reason END,
  remove_reason = CASE WHEN ${c} ? 'removeReason' THEN ${c} ->> 'removeReason' ELSE attempts.remove_reason END,
  recorded_in_cluster = coalesce((${c} ->> 'recordedInCluster')::boolean, attempts.recorded_in_cluster),
  ${stamps.join(',\n  ')}`;
}

const CHANGE: Statement = {
  name: 'change-attempt',
  text: `UPDATE attempts SET ${buildAttemptSet('$4')}
WHERE job_id = $1::uuid AND number = $2::integer AND state = ANY ($3::text[])
RETURNING ${selectAttempt('attempts')}`,
};

/** See JobStore.changeAttempt. */
export async function changeAttempt(
  pool: pg.Pool,
  params: { readonly jobId: string; readonly number: number; readonly from: readonly AttemptState[]; readonly change: AttemptChange },
): Promise<Attempt | null> {
  if (!isUuid(params.jobId)) return null;
  const rows = await runStatement<AttemptRow>(pool, CHANGE, [params.jobId, params.number, params.from, toJson(params.change)]);
  return rows[0] === undefined ? null : toAttempt(rows[0]);
}
