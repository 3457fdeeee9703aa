import { v7 as uuidv7 } from 'uuid';
import type { ArtifactStore } from '#core/ports.ts';
import { createKnativeSink } from '#adapters/broker/knative.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { createSubmitApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { readFunctionConfig } from '../http/config.ts';

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: true });
  const logger = createLogger({ level: config.logLevel, service: 'submit' });
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const sink = createKnativeSink({ url: config.require('intakeUrl'), overrides: config.eventOverrides });
  const { limits } = config;
  const storageUrl = config.require('storageUrl');
  let opened: Promise<ArtifactStore> | null = null;
  const openArtifacts = (): Promise<ArtifactStore> => (opened ??= openArtifactStore(storageUrl, config.storageOptions));
  await runFunction({
    config,
    logger,
    build: (http) =>
      createSubmitApp({
        http,
        store,
        sink,
        limits,
        logger,
        openArtifacts,
        newId: uuidv7,
        hash: sha256Hex,
        clock: systemClock,
        random: Math.random,
      }),
    close: [() => store.close()],
  });
}

main().catch(exitWithReason);
