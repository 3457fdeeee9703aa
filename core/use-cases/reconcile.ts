import type { AttemptWithJob, EventSink } from '../ports.ts';
import type { CollectDependencies, CollectOutcome } from './collect.ts';
import { collectAttempt, collectByName } from './collect.ts';
import { decideRemoval } from '../attempt-policy.ts';
import { isOver } from '../ports.ts';
import { forEachLimited } from '../concurrency.ts';
import { relayOutbox } from './relay.ts';

export interface ReconcileDependencies extends CollectDependencies {
  readonly sink: EventSink;
  /** The launcher's `POST /tick`: the reconciler itself creates and deletes nothing. */
  readonly wakeLauncher: () => Promise<void>;
}

/** What one tick did. `repaired` should be about 0: each one is a hint that was lost or late. */
export interface ReconcileReport {
  readonly looked: number;
  readonly repaired: number;
  readonly sent: number;
  readonly failures: number;
  readonly launcherWoken: boolean;
  /** Where the next tick goes on when the time box ended this one; null = all was seen. */
  readonly next: string | null;
}

const PAGE = 500;
const CONCURRENCY = 4;

/**
 * One tick: finishes every job even when the broker drops every event. Sends old outbox rows, looks at every open attempt and at every run in the
 * cluster, and wakes the launcher when there is work for it. One attempt's trouble never stops the others.
 */
export async function reconcile(
  deps: ReconcileDependencies,
  params: { readonly timeBoxMs: number; readonly after: string | null },
): Promise<ReconcileReport> {
  const stopAt = deps.clock.monotonicMs() + params.timeBoxMs;
  const relay = await relayOutbox(deps, { jobId: null, limit: PAGE, timeBoxMs: params.timeBoxMs / 4 });
  const tally = { looked: 0, repaired: 0, failures: 0 };
  const look = async (work: () => Promise<CollectOutcome>) => {
    tally.looked += 1;
    try {
      const { kind } = await work();
      if (kind !== 'unchanged' && kind !== 'unknown') tally.repaired += 1;
    } catch (error) {
      tally.failures += 1;
      deps.logger.warn({ error: error instanceof Error ? error.message : String(error) }, 'one attempt could not be looked at');
    }
  };
  const attempts = await lookAtAttempts(deps, { after: params.after, stopAt, look });
  if (attempts.next === null) await lookAtCluster(deps, { seen: attempts.seen, stopAt, look });
  const work = await deps.store.readWork();
  const isWork = work.pendingDue + work.launchesExpired + work.removalsDue + attempts.removals > 0;
  if (isWork) await deps.wakeLauncher();
  if (tally.repaired > 0) await deps.store.addCounters({ reconcile_repairs: tally.repaired });
  return { ...tally, sent: relay.sent, launcherWoken: isWork, next: attempts.next };
}

type Look = (work: () => Promise<CollectOutcome>) => Promise<void>;

async function lookAtAttempts(
  deps: ReconcileDependencies,
  params: { readonly after: string | null; readonly stopAt: number; readonly look: Look },
): Promise<{ next: string | null; removals: number; seen: Set<string> }> {
  const seen = new Set<string>();
  let removals = 0;
  let after = params.after;
  while (deps.clock.monotonicMs() < params.stopAt) {
    const page: { items: AttemptWithJob[]; next: string | null } = await deps.store.listOpenAttempts({ after, limit: PAGE });
    await forEachLimited(page.items, CONCURRENCY, async (item) => {
      seen.add(item.attempt.jobName);
      if (decideRemoval(item, deps.config.policy) !== null) removals += 1;
      await params.look(() => collectAttempt(deps, { jobId: item.job.id, number: item.attempt.number }));
    });
    after = page.next;
    if (after === null) return { next: null, removals, seen };
  }
  return { next: after, removals, seen };
}

/** Runs that no open attempt explains: ended ones to be forgotten, late ones to be removed, unknown ones to be counted. */
async function lookAtCluster(
  deps: ReconcileDependencies,
  params: { readonly seen: ReadonlySet<string>; readonly stopAt: number; readonly look: Look },
): Promise<void> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof deps.runner.list>> = await deps.runner.list({ cursor, limit: PAGE });
    const strangers = page.items.filter((run) => !params.seen.has(run.jobName) && !(run.recorded && isOver(run)));
    await forEachLimited(strangers, CONCURRENCY, (run) => params.look(() => collectByName(deps, run.jobName)));
    cursor = page.cursor;
  } while (cursor !== null && deps.clock.monotonicMs() < params.stopAt);
}
