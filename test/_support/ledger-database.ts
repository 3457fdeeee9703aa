import type { ExecutionContext } from 'ava';
import pg from 'pg';
import type { ConnectOptions } from '#adapters/postgres/connect.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import type { PostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createTestDatabase } from './postgres.ts';
import { waitUntil } from './wait-until.ts';

export interface LedgerDatabase {
  readonly url: string;
  readonly store: PostgresJobStore;
  /** A connection of the test itself, to look behind the ledger's back and to stand in its way. */
  readonly admin: pg.Client;
}

/** A migrated database, the ledger on it, and a connection beside it; all closed at the end of the test. */
export async function openLedgerDatabase(t: ExecutionContext, options: Partial<ConnectOptions> = {}): Promise<LedgerDatabase> {
  const { url } = await createTestDatabase(t);
  const store = createPostgresJobStore({ maxConnections: 25, url, ...options });
  t.teardown(() => store.close());
  return { url, store, admin: await openAdmin(t, url) };
}

/** One more connection of the test itself. */
export async function openAdmin(t: ExecutionContext, url: string): Promise<pg.Client> {
  const admin = new pg.Client({ connectionString: url, application_name: 'test-admin' });
  await admin.connect();
  t.teardown(() => admin.end());
  return admin;
}

/** Waits until a statement of the ledger waits for a lock, and returns its backend's pid. */
export function waitForBlocked(admin: pg.Client): Promise<number> {
  return waitUntil('a statement of the ledger that waits for a lock', async () => {
    const { rows } = await admin.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'kaggle-agent' AND wait_event_type = 'Lock'`,
    );
    return rows[0]?.pid;
  });
}
