import { createKnativeSink } from '#adapters/broker/knative.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createDeadLetterApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { readFunctionConfig } from '../http/config.ts';

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const logger = createLogger({ level: config.logLevel, service: 'dead-letter' });
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const sink = createKnativeSink({ url: config.require('intakeUrl'), overrides: config.eventOverrides });
  await runFunction({ config, logger, build: (http) => createDeadLetterApp({ http, store, sink }), close: [() => store.close()] });
}

main().catch(exitWithReason);
