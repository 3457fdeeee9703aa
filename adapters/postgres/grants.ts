import pg from 'pg';
import { mapError } from './errors.ts';

/** The roles of the functions. `writer`: whoever changes jobs; `reader`: status and result. */
export interface LedgerRoles {
  readonly writer: string;
  readonly reader: string;
}

export const LEDGER_ROLES: LedgerRoles = { writer: 'kaggle_agent_writer', reader: 'kaggle_agent_reader' };

/** Any fixed number: who holds it grants. Two at once would fail with "tuple concurrently updated". */
const GRANT_LOCK = 7_237_401_002;
const RIGHTS = { writer: 'SELECT, INSERT, UPDATE, DELETE', reader: 'SELECT' } as const;
/** Which migrations ran is for those who run migrations. */
const MIGRATION_TABLES = ['kysely_migration', 'kysely_migration_lock'];

/**
 * Gives the functions' roles what they need in the migrated database, for its tables and those that later migrations of this user add; takes
 * back what a role had beyond it. Roles are not created: one that is missing is left out. Returns those that were granted to. May be repeated,
 * and run by many at once. Throws AgentError `unavailable` when the database can't be reached.
 */
export async function grantRoles(databaseUrl: string, roles: LedgerRoles = LEDGER_ROLES): Promise<string[]> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'kaggle-agent-migrate',
    connectionTimeoutMillis: 10_000,
    lock_timeout: 60_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [GRANT_LOCK]);
    const granted: string[] = [];
    for (const kind of ['writer', 'reader'] as const) {
      if (await grantRole(client, roles[kind], RIGHTS[kind])) granted.push(roles[kind]);
    }
    await client.query('COMMIT');
    return granted;
  } catch (error) {
    throw mapError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function grantRole(client: pg.Client, name: string, rights: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
  if (rowCount !== 1) return false;
  const { rows } = await client.query<{ database: string; schema: string; user: string }>(
    'SELECT current_database() AS database, current_schema() AS schema, current_user AS user',
  );
  const [place] = rows;
  if (place === undefined) throw new Error('the database did not say its own name');
  const role = pg.escapeIdentifier(name);
  const schema = pg.escapeIdentifier(place.schema);
  const hidden = MIGRATION_TABLES.map((table) => `${schema}.${pg.escapeIdentifier(table)}`).join(', ');
  const defaults = `ALTER DEFAULT PRIVILEGES FOR ROLE ${pg.escapeIdentifier(place.user)} IN SCHEMA ${schema}`;
  const statements = [
    `GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(place.database)} TO ${role}`,
    // Before version 15 everybody may create tables in the schema `public`.
    `REVOKE CREATE ON SCHEMA ${schema} FROM PUBLIC, ${role}`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
    `REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM ${role}`,
    `GRANT ${rights} ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
    `REVOKE ALL ON TABLE ${hidden} FROM ${role}`,
    `${defaults} REVOKE ALL ON TABLES FROM ${role}`,
    `${defaults} GRANT ${rights} ON TABLES TO ${role}`,
  ];
  for (const statement of statements) await client.query(statement);
  return true;
}
