import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { mapError } from './errors.ts';
import { MIGRATIONS } from './migrations/index.ts';

/** Any fixed number, the same in every version: who holds it migrates. */
const MIGRATION_LOCK = 7_237_401_001;

/**
 * Brings the database to the newest schema; returns the names of the migrations it ran, none when it was new enough. Many processes may
 * call it at once: one works, the others wait (at most `waitMs`, default 60,000). Needs a direct connection or a session pooler.
 * Throws Error naming the migration that failed, and AgentError `unavailable` when the database can't be reached.
 */
export async function migrateToLatest(databaseUrl: string, options: { readonly waitMs?: number } = {}): Promise<string[]> {
  // One connection, so that the session's lock and the migrations are on the same one.
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 1,
    idleTimeoutMillis: 0,
    application_name: 'kaggle-agent-migrate',
    connectionTimeoutMillis: 10_000,
    lock_timeout: options.waitMs ?? 60_000,
    keepAlive: true,
  });
  pool.on('error', () => undefined);
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await sql`SELECT pg_advisory_lock(${sql.lit(MIGRATION_LOCK)})`.execute(db);
    return await runMigrations(db);
  } catch (error) {
    throw mapError(error);
  } finally {
    // Closing the session gives the lock back.
    await db.destroy();
  }
}

async function runMigrations(db: Kysely<unknown>): Promise<string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) } });
  const { error, results } = await migrator.migrateToLatest();
  const failed = results?.find((result) => result.status === 'Error');
  if (error !== undefined) {
    const mapped = mapError(error);
    if (mapped !== error) throw mapped;
    const message = error instanceof Error ? error.message : String(error);
    const where = failed === undefined ? 'could not start' : `stopped at ${failed.migrationName}`;
    throw new Error(`The migration of the ledger's database ${where}: ${message}. Nothing of it was kept; the database is as it was.`, {
      cause: error,
    });
  }
  return (results ?? []).map((result) => result.migrationName);
}
