import { randomUUID } from 'node:crypto';
import { EVENT_TYPES } from '#core/events.ts';
import type { Logger } from '#core/ports.ts';

export interface Ticker {
  tick(): Promise<void>;
  close(): Promise<void>;
}

const TICK_TIMEOUT_MS = 120_000;

/** PingSource on one machine: posts to the reconciler's door, never through a broker; a tick begins only after the last one has ended. */
export function startTicker(options: { readonly url: string; readonly everyMs: number; readonly logger: Logger }): Ticker {
  const controller = new AbortController();
  const post = async (): Promise<void> => {
    const response = await fetch(options.url, {
      method: 'POST',
      headers: {
        'ce-specversion': '1.0',
        'ce-type': EVENT_TYPES.ping,
        'ce-source': '/apis/v1/namespaces/local/pingsources/tick',
        'ce-id': randomUUID(),
        'content-type': 'application/json',
      },
      body: '{}',
      signal: AbortSignal.any([controller.signal, AbortSignal.timeout(TICK_TIMEOUT_MS)]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the reconciler answered ${response.status}`);
  };
  let timer: NodeJS.Timeout | null = null;
  let current: Promise<void> = Promise.resolve();
  const schedule = () => {
    if (controller.signal.aborted) return;
    timer = setTimeout(() => {
      current = post()
        .catch((error: unknown) => {
          if (!controller.signal.aborted) options.logger.warn({ error: String(error) }, 'a tick failed; the next one repairs it');
        })
        .then(schedule);
    }, options.everyMs);
  };
  schedule();
  return {
    tick: post,
    async close() {
      controller.abort();
      if (timer !== null) clearTimeout(timer);
      await current;
    },
  };
}
