import type { ArtifactStore } from '#core/ports.ts';
import pg from 'pg';
import { z } from 'zod';
import { JobResult } from '#core/job.ts';

/** What is checked after a fault: the ledger, storage, and which jobs were answered with 201. */
export interface InvariantContext {
  readonly databaseUrl: string;
  readonly artifacts: ArtifactStore;
  /** Ids that a client was given. */
  readonly accepted: readonly string[];
  /** False while jobs may still run: then only what must hold at every moment is checked. */
  readonly quiescent: boolean;
}

/** One query per invariant of ARCHITECTURE.md: it lists the rows that break it. */
const ALWAYS: readonly (readonly [string, string])[] = [
  [
    'I3 a final job has one end, at one time',
    `SELECT j.id FROM jobs j WHERE (j.state IN ('success','failed','timeout','cancelled')) <> (j.completed_at IS NOT NULL)`,
  ],
  ['I3 history says the end once', `SELECT job_id AS id FROM job_events WHERE type = 'finished' GROUP BY job_id HAVING count(*) > 1`],
  [
    'I3 nothing follows the end',
    `SELECT e.job_id AS id FROM job_events e JOIN job_events f ON f.job_id = e.job_id AND f.type = 'finished' AND e.seq > f.seq`,
  ],
  ['I4 history has no gap', `SELECT job_id AS id FROM job_events GROUP BY job_id HAVING count(*) <> max(seq) OR min(seq) <> 1`],
  [
    'I4 the ledger counts its own history',
    `SELECT j.id FROM jobs j WHERE j.last_seq <> (SELECT max(seq) FROM job_events e WHERE e.job_id = j.id)`,
  ],
  ['I5 at most one open attempt a job', `SELECT job_id AS id FROM attempts WHERE state <> 'ended' GROUP BY job_id HAVING count(*) > 1`],
  ['I5 attempts are numbered without a gap', `SELECT job_id AS id FROM attempts GROUP BY job_id HAVING count(*) <> max(number)`],
  [
    'I6 no solution of a later attempt than the job has',
    `SELECT s.job_id AS id FROM solutions s JOIN jobs j ON j.id = s.job_id WHERE s.attempt > j.attempt`,
  ],
  [
    'I8 one submitted event a job',
    `SELECT j.id FROM jobs j WHERE (SELECT count(*) FROM outbox o WHERE o.job_id = j.id AND o.type LIKE '%.submitted.v1') <> 1`,
  ],
  [
    'I8 one final event a final job, none before',
    `SELECT j.id FROM jobs j WHERE (SELECT count(*) FROM outbox o WHERE o.job_id = j.id AND o.type ~ 'job\\.(succeeded|failed|timed-out|cancelled)\\.v1$')
       <> (CASE WHEN j.state IN ('success','failed','timeout','cancelled') THEN 1 ELSE 0 END)`,
  ],
];

const QUIESCENT: readonly (readonly [string, string])[] = [
  ['I1 every job has ended', `SELECT id FROM jobs WHERE state NOT IN ('success','failed','timeout','cancelled')`],
  ['I5 every attempt has ended', `SELECT job_id AS id FROM attempts WHERE state <> 'ended'`],
  ['I8 every event was sent', `SELECT job_id AS id FROM outbox WHERE sent_at IS NULL`],
  ['I14 no slot is held', `SELECT job_id AS id FROM attempts WHERE slot_held`],
];

const Row = z.object({ id: z.string() });

/** Every broken invariant in one line each; empty when all hold. */
export async function findBrokenInvariants(context: InvariantContext): Promise<string[]> {
  const client = new pg.Client({ connectionString: context.databaseUrl });
  await client.connect();
  try {
    const broken: string[] = [];
    for (const [name, query] of context.quiescent ? [...ALWAYS, ...QUIESCENT] : ALWAYS) {
      const { rows } = await client.query(query);
      const ids = rows.map((row: unknown) => Row.parse(row).id);
      if (ids.length > 0) broken.push(`${name}: ${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ` and ${ids.length - 3} more` : ''}`);
    }
    return [...broken, ...(await findLost(client, context.accepted)), ...(await findBrokenResults(client, context.artifacts))];
  } finally {
    await client.end();
  }
}

/** I1: what was answered with 201 is in the ledger. */
async function findLost(client: pg.Client, accepted: readonly string[]): Promise<string[]> {
  const { rows } = await client.query('SELECT id FROM jobs WHERE id = ANY($1::uuid[])', [accepted]);
  const known = new Set(rows.map((row: unknown) => Row.parse(row).id));
  const lost = accepted.filter((id) => !known.has(id));
  return lost.length === 0 ? [] : [`I1 accepted jobs are lost: ${lost.slice(0, 3).join(', ')} (${lost.length})`];
}

/** I9: results point only at objects that exist with the recorded hash; a success has a valid submission. */
async function findBrokenResults(client: pg.Client, artifacts: ArtifactStore): Promise<string[]> {
  const { rows } = await client.query(`SELECT id, state, result FROM jobs WHERE result IS NOT NULL OR state = 'success'`);
  const broken: string[] = [];
  for (const row of rows) {
    const { id, state, result } = z.object({ id: z.string(), state: z.string(), result: JobResult.nullable() }).parse(row);
    if (result === null || !result.files.some(({ name }) => name === 'submission.csv'))
      broken.push(`I9 ${id}: ${state} without a submission`);
    for (const file of result?.files ?? []) {
      const object = await artifacts.statObject(file.key);
      if (object?.sha256 !== file.sha256) broken.push(`I9 ${id}: ${file.key} is missing or has other bytes`);
    }
  }
  return broken;
}
