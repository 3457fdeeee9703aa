import type { Clock, EventSink, JobStore, Logger, OutboxRow } from '../ports.ts';
import { OUTBOX_BACKOFF, computeBackoffDelayMs } from '../retry.ts';

export interface RelayDependencies {
  readonly store: JobStore;
  /** The intake broker. */
  readonly sink: EventSink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** How long a leased row is left to its relay before another may send it; default 30 s. */
  readonly outboxLeaseMs?: number;
}

/** How long the sender of an event may take before another may send it. */
export const OUTBOX_LEASE_MS = 30_000;
type LeasedEvent = Pick<OutboxRow, 'event' | 'tries'>;

const SEND_TIMEOUT_MS = 10_000;
const PAGE = 50;

/**
 * Sends due outbox rows: lease, send, mark. A crash in between repeats an event and never loses one. Stops when nothing is due, after
 * `limit` rows, or when `timeBoxMs` is over. Throws only when the ledger is down.
 */
export async function relayOutbox(
  deps: RelayDependencies,
  params: { readonly jobId: string | null; readonly limit: number; readonly timeBoxMs: number },
): Promise<{ sent: number; failed: number }> {
  const stopAt = deps.clock.monotonicMs() + params.timeBoxMs;
  let sent = 0;
  let failed = 0;
  while (sent + failed < params.limit && deps.clock.monotonicMs() < stopAt) {
    const rows = await deps.store.leaseOutbox({
      limit: Math.min(PAGE, params.limit - sent - failed),
      leaseMs: deps.outboxLeaseMs ?? OUTBOX_LEASE_MS,
      jobId: params.jobId,
    });
    if (rows.length === 0) break;
    const timeoutMs = Math.ceil(Math.max(100, Math.min(SEND_TIMEOUT_MS, stopAt - deps.clock.monotonicMs())));
    const delivered = await sendLeased(deps, rows, timeoutMs);
    sent += delivered;
    failed += rows.length - delivered;
  }
  return { sent, failed };
}

/** Sends events that the caller holds the lease of, together, and marks those that arrived: how many. The others are due again after a delay. */
export async function sendLeased(deps: RelayDependencies, rows: readonly LeasedEvent[], timeoutMs = SEND_TIMEOUT_MS): Promise<number> {
  const outcomes = await Promise.all(rows.map((row) => sendRow(deps, row, timeoutMs)));
  const delivered = rows.filter((_, index) => outcomes[index] === true).map((row) => row.event.id);
  if (delivered.length > 0) await deps.store.markSent(delivered);
  return delivered.length;
}

async function sendRow(deps: RelayDependencies, row: LeasedEvent, timeoutMs: number): Promise<boolean> {
  try {
    await deps.sink.send(row.event, { timeoutMs });
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const delayMs = computeBackoffDelayMs(OUTBOX_BACKOFF, row.tries + 1, deps.random);
    deps.logger.warn({ event_id: row.event.id, delay_ms: delayMs, error: message }, 'event not sent, will be sent again');
    await deps.store.rescheduleSend({ eventId: row.event.id, delayMs, error: message.slice(0, 500) });
    return false;
  }
}
