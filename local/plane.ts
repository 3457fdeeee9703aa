import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { createLogger } from '#adapters/telemetry/logger.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import { migrateToLatest } from '#adapters/postgres/migrate.ts';
import { startEmbeddedPostgres } from '#adapters/postgres/embedded.ts';
import type { ArtifactStore, EventSink, JobRunner, JobStore, Logger } from '#core/ports.ts';
import type { AttemptPolicy } from '#core/attempt-policy.ts';
import type { LocalConfig } from './config.ts';
import { isOver } from '#core/ports.ts';
import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { AGENT_GRACE_MS, AGENT_LIMITS, buildAgentCommand } from '#adapters/cluster/process/agent-command.ts';
import { openDataFolder, writeRunFile } from './data-folder.ts';
import { prepareClaude } from './claude-key.ts';
import { readLocalConfig } from './config.ts';
import { startBrokers } from './brokers.ts';
import type { BrokerFaults, LocalBrokers } from './brokers.ts';
import { startFunctions } from './functions.ts';
import type { LocalFunctions } from './functions.ts';
import { startStandIn } from './stand-in.ts';
import { startTicker } from './ticker.ts';

/** The ports of one plane. Tests put themselves between the use cases and the outside by `wrapPorts`. */
export interface PlanePorts {
  readonly store: JobStore;
  readonly artifacts: ArtifactStore;
  readonly runner: JobRunner;
  /** Where the outbox is sent: the intake broker. */
  readonly sink: EventSink;
}

export interface LocalPlaneOptions extends Partial<LocalConfig> {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly policy?: Partial<AttemptPolicy>;
  readonly launchLeaseMs?: number;
  readonly outboxLeaseMs?: number;
  /** Entry and environment of a stub agent. */
  readonly agent?: { readonly entry?: string; readonly env?: Readonly<Record<string, string>> };
  readonly agentMemoryMib?: number;
  readonly faults?: { readonly intake?: BrokerFaults; readonly signals?: BrokerFaults };
  readonly wrapPorts?: (ports: PlanePorts) => PlanePorts;
  /** An existing server, instead of one of our own in the data folder. */
  readonly databaseUrl?: string;
  readonly onStep?: (message: string) => void;
}

/** The control plane of one machine, running. */
export interface LocalPlane {
  readonly url: string;
  readonly port: number;
  readonly ports: PlanePorts;
  readonly brokers: LocalBrokers;
  readonly functions: LocalFunctions;
  readonly databaseUrl: string;
  /** One tick, now; resolves when the reconciler has answered. */
  tick(): Promise<void>;
  /** Stops in stages. Attempts go on under their supervisors unless `endAttempts`; Postgres is stopped last. */
  close(options?: { readonly endAttempts?: boolean }): Promise<boolean>;
}

const MAX_CONNECTIONS = 20;

/** Starts everything in one process: Postgres, storage, brokers, functions, the stand-in for Kaggle, and the tick. Undoes what it started when a step fails. */
export async function startLocalPlane(options: LocalPlaneOptions): Promise<LocalPlane> {
  const config: LocalConfig = { ...readLocalConfig(options.env ?? {}), ...definedOnly(options) };
  const undo: (() => Promise<unknown>)[] = [];
  try {
    return await assemble(config, options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => undefined);
    throw error;
  }
}

async function assemble(config: LocalConfig, options: LocalPlaneOptions, undo: (() => Promise<unknown>)[]): Promise<LocalPlane> {
  const folder = await openDataFolder(config.dataDir);
  const logger = createLogger({ level: config.logLevel, service: 'local', destination: join(folder.logs, 'plane.log') });
  const database = await openDatabase(folder, options, undo);
  const store = createPostgresJobStore({ url: database, maxConnections: MAX_CONNECTIONS });
  undo.push(() => store.close());
  const artifacts = createDirectoryStore({ root: folder.objects });
  const standIn = await startStandIn({ config, folder });
  undo.push(() => standIn.close());
  const brokers = await startBrokers({ lastRun: folder.lastRun, faults: options.faults ?? {}, logger });
  undo.push(() => brokers.close());
  const processRunner = createProcessRunner({
    dir: folder.attempts,
    command: buildAgentCommand({
      storageUrl: pathToFileURL(folder.objects).href,
      signalsUrl: brokers.signals.url,
      kaggleApiBase: standIn.apiBaseUrl,
      kaggleCredentialsFile: standIn.credentialsFile,
      claude: await prepareClaude(config, folder),
      python: config.python,
      ...(options.agent?.entry !== undefined && { entry: options.agent.entry }),
      ...(options.agent?.env !== undefined && { extraEnv: options.agent.env }),
    }),
    limits: { ...AGENT_LIMITS, ...(options.agentMemoryMib !== undefined && { agentMemoryMib: options.agentMemoryMib }) },
    graceMs: AGENT_GRACE_MS,
    onChange: (event) => brokers.hint(event),
    logger,
  });
  undo.push(() => processRunner.close());
  const plain: PlanePorts = { store, artifacts, runner: processRunner, sink: brokers.intake.sink };
  const ports = options.wrapPorts?.(plain) ?? plain;
  let shouldEndAttempts = false;
  // After the functions, which may be creating a run until they are closed; before the runner.
  undo.push(async () => {
    if (!shouldEndAttempts) return true;
    const ended = await endAttempts(ports.runner);
    if (ended) await processRunner.waitForSupervisors();
    return ended;
  });
  const functions = await startFunctions({
    config,
    ports,
    planeKey: folder.planeKey,
    policy: { ...DEFAULT_POLICY, ...options.policy },
    launchLeaseMs: options.launchLeaseMs ?? 60_000,
    outboxLeaseMs: options.outboxLeaseMs ?? 30_000,
    lastRun: folder.lastRun,
    logger,
  });
  undo.push(() => functions.close());
  brokers.connect(functions.internalUrl);
  await writeRunFile(folder.root, {
    pid: process.pid,
    port: functions.port,
    kaggle_port: standIn.port,
    intake_port: brokers.intake.port,
    signals_port: brokers.signals.port,
    internal_port: functions.internalPort,
  });
  const ticker = startTicker({ url: `${functions.internalUrl}/reconciler`, everyMs: config.tickMs, logger });
  undo.push(() => ticker.close());
  let closing: Promise<boolean> | null = null;
  return {
    url: functions.url,
    port: functions.port,
    ports,
    brokers,
    functions,
    databaseUrl: database,
    tick: () => ticker.tick(),
    close: (how) => {
      shouldEndAttempts ||= how?.endAttempts ?? false;
      return (closing ??= closeInOrder(undo, logger));
    },
  };
}

async function openDatabase(
  folder: Awaited<ReturnType<typeof openDataFolder>>,
  options: LocalPlaneOptions,
  undo: (() => Promise<unknown>)[],
): Promise<string> {
  const { databaseUrl } = options;
  options.onStep?.('starting Postgres');
  if (databaseUrl === undefined) {
    const postgres = await startEmbeddedPostgres({
      dataDir: folder.postgres,
      logFile: join(folder.logs, 'postgres.log'),
      maxConnections: 100,
    });
    undo.push(() => postgres.stop());
    await migrateToLatest(postgres.url);
    return postgres.url;
  }
  await migrateToLatest(databaseUrl);
  return databaseUrl;
}

/** The reverse of the start. What fails to close is logged and never stops the rest. */
async function closeInOrder(undo: readonly (() => Promise<unknown>)[], logger: Logger): Promise<boolean> {
  let clean = true;
  for (const step of undo.toReversed()) {
    try {
      if ((await step()) === false) clean = false;
    } catch (error) {
      clean = false;
      logger.error({ error: error instanceof Error ? error.message : String(error) }, 'a part did not close');
    }
  }
  return clean;
}

/** Removes every run that lives, and waits until none does; false when some still live after half a minute. */
async function endAttempts(runner: JobRunner): Promise<boolean> {
  for (let round = 0; round < 600; round += 1) {
    const { items } = await runner.list({ cursor: null, limit: 500 });
    const alive = items.filter((run) => !isOver(run));
    if (alive.length === 0) return true;
    for (const run of alive) if (!run.deleting) await runner.remove({ jobName: run.jobName, uid: run.uid });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function definedOnly(options: LocalPlaneOptions): Partial<LocalConfig> {
  const { port, dataDir, cap, tickMs, kaggleApiBase, kaggleCredentialsFile, python, logLevel } = options;
  const given = { port, dataDir, cap, tickMs, kaggleApiBase, kaggleCredentialsFile, python, logLevel };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
