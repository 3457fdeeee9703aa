import type { Kysely } from 'kysely';
import { sql } from 'kysely';

const STATEMENTS = [
  `CREATE TABLE pruned_jobs (
    id uuid PRIMARY KEY,
    pruned_at timestamptz NOT NULL DEFAULT now()
  )`,
];

/** Jobs whose rows are gone and whose objects are still to be deleted. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}
