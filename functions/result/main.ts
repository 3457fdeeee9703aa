import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';
import { createResultApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { readFunctionConfig } from '../http/config.ts';

const FOLLOW_INTERVAL_MS = 2_000;

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: true });
  const logger = createLogger({ level: config.logLevel, service: 'result' });
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const artifacts = await openArtifactStore(config.require('storageUrl'), config.storageOptions);
  const { maxStreamMs } = config;
  await runFunction({
    config,
    logger,
    build: (http) => createResultApp({ http, store, artifacts, maxStreamMs, followIntervalMs: FOLLOW_INTERVAL_MS }),
    close: [() => store.close()],
  });
}

main().catch(exitWithReason);
