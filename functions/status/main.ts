import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { openArtifactStoreOnFirstUse } from '#adapters/storage/open-on-first-use.ts';
import { createStatusApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { readFunctionConfig } from '../http/config.ts';

const FEED_INTERVAL_MS = 1_000;

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: true });
  const logger = createLogger({ level: config.logLevel, service: 'status' });
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const artifacts = openArtifactStoreOnFirstUse(config.require('storageUrl'), config.storageOptions);
  const { maxStreamMs } = config;
  await runFunction({
    config,
    logger,
    build: (http) => createStatusApp({ http, store, artifacts, logger, maxStreamMs, runner: null, feedIntervalMs: FEED_INTERVAL_MS }),
    close: [() => store.close()],
  });
}

main().catch(exitWithReason);
