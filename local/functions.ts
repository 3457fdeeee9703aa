import express from 'express';
import { v7 as uuidv7 } from 'uuid';
import { sha256Hex } from '#adapters/hashing.ts';
import { makeToken, verifyHint } from '#adapters/signing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { createCollectorApp } from '#functions/collector/app.ts';
import { createDeadLetterEventRoutes, createDeadLetterRoutes } from '#functions/dead-letter/app.ts';
import { createHttpApp } from '#functions/http/app.ts';
import { createJobLauncherApp } from '#functions/job-launcher/app.ts';
import { createLifecycle } from '#functions/http/lifecycle.ts';
import { createReconcilerApp } from '#functions/reconciler/app.ts';
import { createResultRoutes } from '#functions/result/app.ts';
import { createStatusRoutes } from '#functions/status/app.ts';
import { createSubmitRoutes } from '#functions/submit/app.ts';
import { serve } from '#functions/http/serve.ts';
import type { AttemptPolicy } from '#core/attempt-policy.ts';
import type { HttpOptions } from '#functions/http/app.ts';
import type { Clock, Logger } from '#core/ports.ts';
import type { LocalConfig } from './config.ts';
import type { PlanePorts } from './plane.ts';
import type { RunFile } from './data-folder.ts';
import { DEFAULT_LIMITS } from '#core/requests.ts';

const HOST = '127.0.0.1';
const GRACE_MS = 15_000;
const TOKEN_LIFETIME_MS = 4 * 3_600_000;
const RETENTION_DAYS = 90;
const MAX_STREAM_MS = 290_000;
const FEED_INTERVAL_MS = 500;
const LAUNCH_CONCURRENCY = 8;
const TICK_TIME_BOX_MS = 50_000;

/** The functions, listening: the public ones joined on one port, the ones that only brokers and ticks call on another. */
export interface LocalFunctions {
  readonly url: string;
  readonly port: number;
  readonly internalUrl: string;
  readonly internalPort: number;
  close(): Promise<boolean>;
}

export interface LocalFunctionsOptions {
  readonly config: LocalConfig;
  readonly ports: PlanePorts;
  readonly planeKey: string;
  readonly policy: AttemptPolicy;
  readonly launchLeaseMs: number;
  readonly outboxLeaseMs: number;
  readonly lastRun: RunFile | null;
  readonly logger: Logger;
}

/** Builds the apps from their own rooms and listens. */
export async function startFunctions(options: LocalFunctionsOptions): Promise<LocalFunctions> {
  const { config, ports, logger } = options;
  const lifecycle = createLifecycle((error) => logger.error({ error: String(error) }, 'background work failed'));
  const http: HttpOptions = { logger, authenticator: null, guard: { allowedHosts: [], allowedOrigins: [] }, lifecycle };
  const common = { http, ...ports, clock: systemClock, random: Math.random, logger, outboxLeaseMs: options.outboxLeaseMs };
  const publicRoutes = [
    ...createSubmitRoutes({
      ...common,
      newId: uuidv7,
      hash: sha256Hex,
      limits: DEFAULT_LIMITS,
      openArtifacts: async () => ports.artifacts,
    }),
    ...createStatusRoutes({ ...common, maxStreamMs: MAX_STREAM_MS, feedIntervalMs: FEED_INTERVAL_MS }),
    ...createResultRoutes({ ...common, maxStreamMs: MAX_STREAM_MS, followIntervalMs: FEED_INTERVAL_MS }),
    ...createDeadLetterRoutes(common),
  ];
  const places = { internalUrl: '' };
  const internal = createInternalApp(options, common, () => `${places.internalUrl}/job-launcher/tick`);
  const listen = (app: express.Express, port: number) => serve(app, { port, host: HOST, lifecycle, logger, graceMs: GRACE_MS, close: [] });
  const inside = await listen(internal, options.lastRun?.internal_port ?? 0).catch(() => listen(internal, 0));
  places.internalUrl = inside.url;
  const serving = await listen(createHttpApp(http, publicRoutes), config.port).catch(async (error: unknown) => {
    await inside.stop();
    throw describeListenError(error, config.port);
  });
  return {
    url: serving.url,
    port: serving.port,
    internalUrl: inside.url,
    internalPort: inside.port,
    close: async () => (await Promise.all([serving.stop(), inside.stop()])).every(Boolean),
  };
}

interface Common extends PlanePorts {
  readonly http: HttpOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly outboxLeaseMs: number;
  readonly logger: Logger;
}

/** What brokers and ticks call, each function under its own path: on a cluster each has a host of its own. */
function createInternalApp(options: LocalFunctionsOptions, common: Common, launcherTickUrl: () => string): express.Express {
  const { planeKey, policy, config, launchLeaseMs } = options;
  const tokenEnd = () => new Date(common.clock.now().getTime() + TOKEN_LIFETIME_MS);
  const app = express();
  app.disable('x-powered-by');
  app.use(
    '/job-launcher',
    createJobLauncherApp({
      ...common,
      hash: sha256Hex,
      makeToken: (jobId, attempt) => makeToken(planeKey, jobId, attempt, tokenEnd()),
      config: { cap: config.cap, launchLeaseMs, concurrency: LAUNCH_CONCURRENCY, policy },
    }),
  );
  app.use(
    '/collector',
    createCollectorApp({ ...common, config: { policy }, verifyHint: (hint) => verifyHint({ planeKey, ...hint, now: common.clock.now() }) }),
  );
  app.use(
    '/reconciler',
    createReconcilerApp({
      ...common,
      config: { policy },
      timeBoxMs: TICK_TIME_BOX_MS,
      retentionDays: RETENTION_DAYS,
      wakeLauncher: () => wakeLauncher(launcherTickUrl()),
    }),
  );
  app.use('/dead-letter', createHttpApp(common.http, createDeadLetterEventRoutes(common)));
  app.use(
    '/submit',
    createHttpApp(
      common.http,
      createSubmitRoutes({
        ...common,
        newId: uuidv7,
        hash: sha256Hex,
        limits: DEFAULT_LIMITS,
        openArtifacts: async () => common.artifacts,
      }),
    ),
  );
  return app;
}

async function wakeLauncher(url: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(60_000) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the launcher answered ${response.status}`);
}

function describeListenError(error: unknown, port: number): unknown {
  const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  return isTaken ? new Error(`Port ${port} of this machine is in use. Choose another: PORT=8001 npm start`, { cause: error }) : error;
}
