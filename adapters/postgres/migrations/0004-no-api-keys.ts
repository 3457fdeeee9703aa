import type { Kysely } from 'kysely';
import { sql } from 'kysely';

/** API keys come from a file (docs/decisions/0005): the table for them was never read or written. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(`DROP TABLE api_keys`).execute(db);
}
