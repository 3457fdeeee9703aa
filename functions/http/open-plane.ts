import { createHttpSink } from '#adapters/broker/http-sink.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import type { ArtifactStore, Clock, EventSink, JobRunner, JobStore, Logger } from '#core/ports.ts';
import type { FunctionConfig } from './config.ts';
import { openProcessCluster } from './process-cluster.ts';

/** What the functions that work on attempts share: launcher, collector, reconciler. */
export interface OpenPlane {
  readonly ports: {
    readonly store: JobStore;
    readonly artifacts: ArtifactStore;
    readonly runner: JobRunner;
    readonly sink: EventSink;
    readonly clock: Clock;
    readonly random: () => number;
    readonly logger: Logger;
  };
  readonly close: readonly (() => Promise<void>)[];
}

/** Opens ledger, storage, cluster and intake broker of one function. Throws naming the setting that is missing or wrong. */
export async function openPlane(config: FunctionConfig, service: string): Promise<OpenPlane> {
  const logger = createLogger({ level: config.logLevel, service });
  const sink = createHttpSink({ url: config.require('intakeUrl') });
  const artifacts = await openArtifactStore(config.require('storageUrl'));
  const runner = openProcessCluster(config, logger);
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const ports = { store, artifacts, runner, sink, clock: systemClock, random: Math.random, logger };
  return { ports, close: [() => runner.close(), () => store.close()] };
}
