import type pg from 'pg';
import type { Statement } from './connect.ts';
import { runStatement } from './connect.ts';
import { toJson } from './json.ts';

// In order of name, so that two processes adding to the same counters never wait for each other in a circle.
const ADD: Statement = {
  name: 'add-counters',
  text: `INSERT INTO counters (name, value) SELECT key, value::bigint FROM jsonb_each_text($1::jsonb) ORDER BY key
ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value`,
};

const READ: Statement = { name: 'read-counters', text: 'SELECT name, value FROM counters ORDER BY name' };

/** See JobStore.addCounters. */
export async function addCounters(pool: pg.Pool, counters: Readonly<Record<string, number>>): Promise<void> {
  if (Object.keys(counters).length > 0) await runStatement(pool, ADD, [toJson(counters)]);
}

/** See JobStore.readCounters. */
export async function readCounters(pool: pg.Pool): Promise<Record<string, number>> {
  const rows = await runStatement<{ name: string; value: number }>(pool, READ, []);
  return Object.fromEntries(rows.map((row) => [row.name, row.value]));
}
