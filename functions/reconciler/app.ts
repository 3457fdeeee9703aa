import type { Express } from 'express';
import type { HttpOptions, Route } from '../http/app.ts';
import type { ReconcileDependencies } from '#core/use-cases/reconcile.ts';
import { createCoalescer } from '../http/coalesce.ts';
import { createHttpApp } from '../http/app.ts';
import { reconcile } from '#core/use-cases/reconcile.ts';
import { toBrokerError } from '../http/event-door.ts';

export interface ReconcilerAppDependencies extends ReconcileDependencies {
  readonly http: HttpOptions;
  readonly timeBoxMs: number;
  /** Jobs older than this are deleted with their objects; null keeps everything. */
  readonly retentionDays: number | null;
}

const PRUNE_LIMIT = 100;

/** The tick: finishes every job even when the broker drops every event. Whatever the body says, it means "look again". */
export function createReconcilerApp(deps: ReconcilerAppDependencies): Express {
  return createHttpApp(deps.http, createReconcilerRoutes(deps));
}

/** The table of the reconciler's routes. */
export function createReconcilerRoutes(deps: ReconcilerAppDependencies): Route[] {
  let after: string | null = null;
  const tick = createCoalescer(async () => {
    const report = await reconcile(deps, { timeBoxMs: deps.timeBoxMs, after });
    after = report.next;
    if (report.repaired + report.sent + report.failures > 0) deps.logger.info({ ...report }, 'tick repaired something');
    if (deps.retentionDays !== null) await prune(deps, deps.retentionDays);
  });
  return [
    {
      method: 'post',
      path: '/',
      access: 'cluster',
      handle: async ({ req, res }) => {
        req.resume();
        await tick.wake().catch((error: unknown) => {
          throw toBrokerError(error);
        });
        res.writeHead(204).end();
      },
    },
  ];
}

/** The rows first: a row without its objects would be a broken promise. The ledger remembers whose objects must follow until they have. */
async function prune(deps: ReconcilerAppDependencies, retentionDays: number): Promise<void> {
  const { jobs } = await deps.store.prune({ retentionDays, limit: PRUNE_LIMIT });
  for (const jobId of jobs) {
    await deps.artifacts.deletePrefix(`jobs/${jobId}/`);
    await deps.artifacts.deletePrefix(`results/${jobId}/`);
    await deps.store.forgetPruned(jobId);
  }
}
