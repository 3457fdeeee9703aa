import type { Express } from 'express';
import type { FunctionConfig } from './config.ts';
import type { HttpOptions } from './app.ts';
import type { Logger } from '#core/ports.ts';
import { createLifecycle } from './lifecycle.ts';
import { serve, stopOnSignals } from './serve.ts';

/** The last part of every `main.ts`: build, then listen, then stop on a signal. `build` gets what all apps share. */
export async function runFunction(params: {
  readonly config: FunctionConfig;
  readonly logger: Logger;
  readonly build: (http: HttpOptions) => Express;
  readonly close: readonly (() => Promise<void>)[];
}): Promise<void> {
  const { config, logger, build, close } = params;
  const lifecycle = createLifecycle((error) =>
    logger.error({ error: error instanceof Error ? error.message : String(error) }, 'background work failed'),
  );
  const guard = { allowedHosts: config.allowedHosts, allowedOrigins: config.allowedOrigins };
  const app = build({ logger, authenticator: config.authenticator, guard, lifecycle });
  const graceMs = Math.min(config.requestTimeoutS * 1000, 30_000);
  const serving = await serve(app, { port: config.port, host: config.host, lifecycle, logger, graceMs, close });
  stopOnSignals(serving, logger);
  logger.info({ url: serving.url }, 'listening');
}

/** Ends a process that could not start, with one line that says why. */
export function exitWithReason(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
