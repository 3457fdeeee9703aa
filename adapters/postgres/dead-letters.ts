import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { DeadLetter } from '#core/ports.ts';
import type { Ledger } from './connect.ts';
import { withRetries } from './errors.ts';
import { cleanNullable, cleanText } from './json.ts';
import type { DeadLettersTable } from './tables.ts';

/** See JobStore.insertDeadLetter: the same id again changes nothing. */
export async function insertDeadLetter({ db }: Ledger, letter: Omit<DeadLetter, 'receivedAt' | 'redrivenAt'>): Promise<void> {
  const query = db
    .insertInto('dead_letters')
    .values({
      id: cleanText(letter.id),
      event: JSON.stringify(letter.event),
      error_destination: cleanNullable(letter.errorDestination),
      error_code: cleanNullable(letter.errorCode),
      error_data: cleanNullable(letter.errorData),
    })
    .onConflict((conflict) => conflict.doNothing());
  await withRetries(() => query.execute());
}

/** See JobStore.listDeadLetters: newest first. */
export async function listDeadLetters({ db }: Ledger, params: { readonly limit: number }): Promise<DeadLetter[]> {
  const query = db.selectFrom('dead_letters').selectAll().orderBy('received_at', 'desc').orderBy('id').limit(params.limit);
  const rows = await withRetries(() => query.execute());
  return rows.map(toDeadLetter);
}

/** See JobStore.getDeadLetter. */
export async function getDeadLetter({ db }: Ledger, id: string): Promise<DeadLetter | null> {
  const query = db.selectFrom('dead_letters').selectAll().where('id', '=', cleanText(id));
  const row = await withRetries(() => query.executeTakeFirst());
  return row === undefined ? null : toDeadLetter(row);
}

/** See JobStore.markRedriven: false when unknown; may be repeated, the last time counts. */
export async function markRedriven({ db }: Ledger, id: string): Promise<boolean> {
  const query = sql`UPDATE dead_letters SET redriven_at = clock_timestamp() WHERE id = ${cleanText(id)}`;
  const result = await withRetries(() => query.execute(db));
  return result.numAffectedRows === 1n;
}

function toDeadLetter(row: Selectable<DeadLettersTable>): DeadLetter {
  return {
    id: row.id,
    receivedAt: row.received_at,
    event: row.event,
    errorDestination: row.error_destination,
    errorCode: row.error_code,
    errorData: row.error_data,
    redrivenAt: row.redriven_at,
  };
}
