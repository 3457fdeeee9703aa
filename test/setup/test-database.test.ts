import test from 'ava';
import pg from 'pg';
import { createTestDatabase } from '../_support/postgres.ts';

async function listTables(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>("select tablename as name from pg_tables where schemaname = 'public' order by 1");
    return rows.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

test('every test gets a migrated database of its own', async (t) => {
  const [first, second] = await Promise.all([createTestDatabase(t), createTestDatabase(t)]);
  t.not(first.url, second.url);
  t.true((await listTables(first.url)).includes('jobs'));
  const client = new pg.Client({ connectionString: first.url });
  await client.connect();
  await client.query('create table mine ()');
  await client.end();
  t.false((await listTables(second.url)).includes('mine'));
});

test('a dropped database is gone, also with connections left open', async (t) => {
  const database = await createTestDatabase(t, { migrated: false });
  t.deepEqual(await listTables(database.url), []);
  const left = new pg.Client({ connectionString: database.url });
  left.on('error', () => undefined);
  await left.connect();
  await database.drop();
  await t.throwsAsync(listTables(database.url), { message: /does not exist/ });
});
