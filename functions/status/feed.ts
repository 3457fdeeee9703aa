import { setTimeout as sleep } from 'node:timers/promises';
import type { JobEvent } from '#core/job.ts';
import type { JobStore, Logger } from '#core/ports.ts';

/** Live history for all streams of a process: one ledger query a second, whatever their number (no LISTEN: that breaks behind poolers). */
export interface HistoryFeed {
  /** Calls `onLines` with the job's lines after `afterSeq`, in order and each once, until the returned function is called. */
  subscribe(jobId: string, afterSeq: number, onLines: (lines: readonly JobEvent[]) => void): () => void;
  readonly size: number;
}

interface Subscriber {
  readonly jobId: string;
  lastSeq: number;
  readonly onLines: (lines: readonly JobEvent[]) => void;
}

const PAGE = 1_000;

/** Creates a feed; it polls only while somebody listens. */
export function createHistoryFeed(deps: {
  readonly store: Pick<JobStore, 'readHistories'>;
  readonly logger: Logger;
  readonly intervalMs: number;
}): HistoryFeed {
  const subscribers = new Set<Subscriber>();
  let polling = false;

  const readOnce = async (): Promise<boolean> => {
    const after = new Map<string, number>();
    for (const { jobId, lastSeq } of subscribers) after.set(jobId, Math.min(lastSeq, after.get(jobId) ?? lastSeq));
    const lines = await deps.store.readHistories({ after, limit: PAGE });
    const byJob = Map.groupBy(lines, (line) => line.jobId);
    for (const subscriber of subscribers) {
      const fresh = (byJob.get(subscriber.jobId) ?? [])
        .filter((line) => line.seq > subscriber.lastSeq)
        .sort((left, right) => left.seq - right.seq);
      const last = fresh.at(-1);
      if (last === undefined) continue;
      subscriber.lastSeq = last.seq;
      subscriber.onLines(fresh);
    }
    return lines.length >= PAGE;
  };

  const poll = async (): Promise<void> => {
    while (subscribers.size > 0) {
      let isMore = false;
      try {
        isMore = await readOnce();
      } catch (error) {
        deps.logger.warn({ error: error instanceof Error ? error.message : String(error) }, 'live history could not be read');
      }
      if (!isMore) await sleep(deps.intervalMs);
    }
    polling = false;
  };

  return {
    subscribe(jobId, afterSeq, onLines) {
      const subscriber: Subscriber = { jobId, lastSeq: afterSeq, onLines };
      subscribers.add(subscriber);
      if (!polling) {
        polling = true;
        void poll();
      }
      return () => subscribers.delete(subscriber);
    },
    get size() {
      return subscribers.size;
    },
  };
}
