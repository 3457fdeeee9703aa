import { createHttpSink } from '#adapters/broker/http-sink.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createDeadLetterApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { readFunctionConfig } from '../http/config.ts';

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const logger = createLogger({ level: config.logLevel, service: 'dead-letter' });
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const sink = createHttpSink({ url: config.require('intakeUrl') });
  await runFunction({ config, logger, build: (http) => createDeadLetterApp({ http, store, sink }), close: [() => store.close()] });
}

await main().catch(exitWithReason);
