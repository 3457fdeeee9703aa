import { setTimeout as pause } from 'node:timers/promises';
import { LEDGER_ROLES, grantRoles } from '#adapters/postgres/grants.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { migrateToLatest } from '#adapters/postgres/migrate.ts';
import { AgentError } from '#core/errors.ts';
import type { Logger } from '#core/ports.ts';
import { exitWithReason } from '../http/run-function.ts';
import { readFunctionConfig } from '../http/config.ts';

const PATIENCE_MS = 60_000;
const PAUSE_MS = 2_000;

/** Brings the ledger's database to the newest schema as its owner, then gives the functions' roles their rights; ends with exit code 0. */
async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const logger = createLogger({ level: config.logLevel, service: 'migrate' });
  const migrations = await whenReachable(logger, () => migrateToLatest(config.databaseUrl));
  logger.info({ migrations }, migrations.length === 0 ? 'the schema was new enough' : 'migrated');
  const granted = await whenReachable(logger, () => grantRoles(config.databaseUrl));
  const missing = Object.values(LEDGER_ROLES).filter((role) => !granted.includes(role));
  logger.info({ granted, missing }, missing.length === 0 ? 'granted' : 'granted; roles that do not exist were left out');
}

/** A database that is still starting is waited for, at most a minute; a refused login is not. */
async function whenReachable<T>(logger: Logger, work: () => Promise<T>): Promise<T> {
  const endsAt = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isStarting = error instanceof AgentError && error.turn === 'retry';
      if (!isStarting || performance.now() + PAUSE_MS > endsAt) throw error;
      logger.warn({ error: error.message }, 'waiting for the database');
      await pause(PAUSE_MS);
    }
  }
}

main().catch(exitWithReason);
