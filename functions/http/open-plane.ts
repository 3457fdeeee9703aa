import { createKnativeSink } from '#adapters/broker/knative.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import type { ArtifactStore, Clock, EventSink, JobRunner, JobStore, Logger } from '#core/ports.ts';
import type { FunctionConfig } from './config.ts';

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

/**
 * Opens ledger, storage, cluster and intake broker of one function; `createsJobs` only for the launcher. Throws naming the setting that is missing
 * or wrong.
 */
export async function openPlane(
  config: FunctionConfig,
  service: string,
  options: { readonly createsJobs: boolean } = { createsJobs: false },
): Promise<OpenPlane> {
  const logger = createLogger({ level: config.logLevel, service });
  const sink = createKnativeSink({ url: config.require('intakeUrl'), overrides: config.eventOverrides });
  const artifacts = await openArtifactStore(config.require('storageUrl'), config.storageOptions);
  const runner = await openCluster(config, logger, options);
  const store = createPostgresJobStore({ url: config.databaseUrl, maxConnections: config.databaseConnections });
  const ports = { store, artifacts, runner, sink, clock: systemClock, random: Math.random, logger };
  return { ports, close: [() => runner.close(), () => store.close()] };
}

/** Loads the code of the one cluster that is used: Kubernetes' client costs more than all the rest of a start. */
async function openCluster(
  config: FunctionConfig,
  logger: Logger,
  options: { readonly createsJobs: boolean },
): Promise<JobRunner & { close(): Promise<void> }> {
  const { cluster } = config;
  if (cluster === null) throw new Error(config.clusterProblem);
  if (cluster.kind === 'kubernetes') {
    const { openKubernetesCluster } = await import('./kubernetes-cluster.ts');
    return openKubernetesCluster(config, cluster, options);
  }
  const { openProcessCluster } = await import('./process-cluster.ts');
  return openProcessCluster(config, cluster.dir, logger);
}
