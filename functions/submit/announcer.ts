import type { PlainEvent } from '#core/events.ts';
import type { RelayDependencies } from '#core/use-cases/relay.ts';
import { createCoalescer } from '../http/coalesce.ts';
import { relayOutbox, sendLeased } from '#core/use-cases/relay.ts';

/** Sends what this process has just committed and still holds the lease of. */
export interface Announcer {
  /** Resolves when the event was sent, or left to a later relay. Throws when the ledger is down. */
  announce(event: PlainEvent): Promise<void>;
  /** Sends whatever is due in the outbox, from whomever. */
  relayDue(): Promise<void>;
}

const BATCH = 50;
/** More than this waiting means that the broker is slow: their leases run out, and a relay sends them from the ledger. */
const MAX_WAITING = 2_000;
const SWEEP_INTERVAL_MS = 1_000;
const RELAY_LIMIT = 500;
const RELAY_TIME_BOX_MS = 5_000;

/**
 * Creates the announcer of one process. Events that come while others are being sent go and are marked together: under load that costs one
 * statement for many, and no lease. At most once a second it also looks for what others could not send.
 */
export function createAnnouncer(deps: RelayDependencies): Announcer {
  const waiting: PlainEvent[] = [];
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  const due = createCoalescer(() => relayOutbox(deps, { jobId: null, limit: RELAY_LIMIT, timeBoxMs: RELAY_TIME_BOX_MS }));
  const sender = createCoalescer(async () => {
    while (waiting.length > 0) {
      await sendLeased(
        deps,
        waiting.splice(0, BATCH).map((event) => ({ event, tries: 0 })),
      );
    }
    if (deps.clock.monotonicMs() - sweptAtMs < SWEEP_INTERVAL_MS) return;
    sweptAtMs = deps.clock.monotonicMs();
    await due.wake();
  });
  return {
    announce(event) {
      if (waiting.length >= MAX_WAITING) return Promise.resolve();
      waiting.push(event);
      return sender.wake();
    },
    relayDue: () => due.wake(),
  };
}
