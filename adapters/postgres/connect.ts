import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Tables } from './tables.ts';
import { isConnectionLost, withRetries } from './errors.ts';

export interface ConnectOptions {
  readonly url: string;
  /** At most so many connections of this process; default 10. */
  readonly maxConnections?: number;
  /** Shown in `pg_stat_activity`; default `kaggle-agent`. */
  readonly applicationName?: string;
  /** A statement that takes longer is cancelled by the server; default 10,000. */
  readonly statementTimeoutMs?: number;
  /** For a new connection, and for a free one of the pool; default 10,000. */
  readonly connectTimeoutMs?: number;
}

/** A statement that the server parses and plans once per connection. The name belongs to the text. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** What carries statements: the pool, and kysely over the same pool. */
export interface Ledger {
  readonly pool: pg.Pool;
  readonly db: Kysely<Tables>;
}

const TIMESTAMPTZ_OID = 1184;
const BIGINT_OID = 20;
const parseTimestampSlowly: (text: string) => unknown = pg.types.getTypeParser(TIMESTAMPTZ_OID);

/** `2026-01-31 23:59:59.123456+00` to a Date (the usual form, read by position); other offsets by pg's parser. */
export function parseTimestamp(text: string): unknown {
  if (text.length < 22 || text.length > 29 || !text.endsWith('+00') || text[0] === '0' || text[4] !== '-')
    return parseTimestampSlowly(text);
  const milliseconds = text.length === 22 ? 0 : Math.trunc(Number(`0${text.slice(19, -3)}`) * 1000 + 1e-6);
  return new Date(
    Date.UTC(
      Number(text.slice(0, 4)),
      Number(text.slice(5, 7)) - 1,
      Number(text.slice(8, 10)),
      Number(text.slice(11, 13)),
      Number(text.slice(14, 16)),
      Number(text.slice(17, 19)),
      milliseconds,
    ),
  );
}

const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (format !== 'binary' && oid === TIMESTAMPTZ_OID) return parseTimestamp;
    if (format !== 'binary' && oid === BIGINT_OID) return Number;
    return pg.types.getTypeParser(oid, format ?? 'text');
  },
};

/** Opens a pool (lazily: nothing is sent yet). A connection that breaks while idle is dropped and replaced, never an unhandled error. */
export function openPool(options: ConnectOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.maxConnections ?? 10,
    application_name: options.applicationName ?? 'kaggle-agent',
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    statement_timeout: statementTimeoutMs,
    // For a server that stopped answering without closing the connection: later than its own timeout.
    query_timeout: statementTimeoutMs + 5_000,
    // A process frozen inside a transaction must not keep the launchers' lock.
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
    types,
  });
  pool.on('error', () => undefined);
  // For connections in use: their statement is told of the error, the event itself must only not go unheard.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** kysely over a pool; who opened the pool ends it. */
export function openLedger(pool: pg.Pool): Ledger {
  return { pool, db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }) };
}

/** Runs one prepared statement as a transaction of its own. `Row` is what the statement selects. Throws AgentError `unavailable`. */
export function runStatement<Row extends pg.QueryResultRow>(pool: pg.Pool, statement: Statement, values: unknown[]): Promise<Row[]> {
  const query = { name: statement.name, text: statement.text, values };
  return withRetries(() => runOnce<Row>(pool, query));
}

// Callbacks cost less processor time than promises, and every request comes by here. Not pool.query: that one closes the connection
// after any error, even a unique violation.
function runOnce<Row extends pg.QueryResultRow>(pool: pg.Pool, query: pg.QueryConfig): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    pool.connect((failure, client, release) => {
      if (client === undefined) return reject(failure);
      client.query<Row>(query, (error: Error | null, result) => {
        release(error !== null && isConnectionLost(error));
        if (error === null) resolve(result.rows);
        else reject(error);
      });
    });
  });
}

/** Runs `work` in one transaction; rolls back when it throws. May run it again after a serialization failure. */
export function runTransaction<T>(pool: pg.Pool, begin: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return withRetries(async () => {
    const client = await pool.connect();
    let lost = false;
    try {
      await client.query(begin);
      const value = await work(client);
      await client.query('COMMIT');
      return value;
    } catch (error) {
      // A connection that can not even roll back is closed, which rolls back too.
      lost = isConnectionLost(error) || !(await rollBack(client));
      throw error;
    } finally {
      client.release(lost);
    }
  });
}

async function rollBack(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}
