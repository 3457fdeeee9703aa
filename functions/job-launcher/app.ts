import type { Express } from 'express';
import type { HttpOptions, Route } from '../http/app.ts';
import type { LaunchDependencies } from '#core/use-cases/launch.ts';
import type { RelayDependencies } from '#core/use-cases/relay.ts';
import type { StopDependencies } from '#core/use-cases/stop.ts';
import { createCoalescer } from '../http/coalesce.ts';
import { createHttpApp } from '../http/app.ts';
import { handleEvents, toBrokerError } from '../http/event-door.ts';
import { launchJobs } from '#core/use-cases/launch.ts';
import { relayOutbox } from '#core/use-cases/relay.ts';
import { stopAttempts } from '#core/use-cases/stop.ts';

export interface JobLauncherAppDependencies extends LaunchDependencies, StopDependencies, RelayDependencies {
  readonly http: HttpOptions;
  readonly config: LaunchDependencies['config'] & StopDependencies['config'];
}

/** Events and ticks only wake it: it launches what is due and deletes what must stop, one run at a time, the ledger deciding. */
export function createJobLauncherApp(deps: JobLauncherAppDependencies): Express {
  return createHttpApp(deps.http, createJobLauncherRoutes(deps));
}

/** The table of the launcher's routes. */
export function createJobLauncherRoutes(deps: JobLauncherAppDependencies): Route[] {
  const work = createCoalescer(async () => {
    const stopped = await stopAttempts(deps);
    const launched = await launchJobs(deps);
    const relayed = await relayOutbox(deps, { jobId: null, limit: 500, timeBoxMs: 5_000 });
    if (stopped.removed + launched.launched + launched.refused + launched.deferred > 0) {
      deps.logger.info({ ...stopped, ...launched, ...relayed }, 'launcher ran');
    }
  });
  return [
    { method: 'post', path: '/', access: 'cluster', handle: (context) => handleEvents(context, () => work.wake()) },
    {
      method: 'post',
      path: '/tick',
      access: 'cluster',
      handle: async ({ res }) => {
        await work.wake().catch((error: unknown) => {
          throw toBrokerError(error);
        });
        res.writeHead(204).end();
      },
    },
  ];
}
