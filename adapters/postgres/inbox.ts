import type pg from 'pg';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { cleanText } from './json.ts';

const INSERT: Statement = {
  name: 'insert-inbox',
  text: `INSERT INTO inbox (consumer, source, id) VALUES ($1::text, $2::text, $3::text) ON CONFLICT DO NOTHING RETURNING true AS first`,
};

/** See JobStore.insertInbox. */
export async function insertInbox(
  pool: pg.Pool,
  params: { readonly consumer: string; readonly source: string; readonly id: string },
): Promise<boolean> {
  const rows = await runStatement(pool, INSERT, [cleanText(params.consumer), cleanText(params.source), cleanText(params.id)]);
  return rows.length > 0;
}
