import { setMaxListeners } from 'node:events';

/** What a process has to finish before it may end; shared by its apps and by `serve`. */
export interface Lifecycle {
  /** Aborted when a graceful stop begins: streams and long polls end themselves. */
  readonly draining: AbortSignal;
  /** Work that no client waits for, but the stop does (outbox relays). Never rejects into the void: errors are given to `onError`. */
  track(work: Promise<unknown>): void;
  beginDrain(): void;
  /** True when all tracked work ended within the time. */
  settle(timeoutMs: number): Promise<boolean>;
}

/** Creates the lifecycle of one process. */
export function createLifecycle(onError: (error: unknown) => void): Lifecycle {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const open = new Set<Promise<unknown>>();
  return {
    draining: controller.signal,
    track(work) {
      const guarded = work.catch(onError).finally(() => open.delete(guarded));
      open.add(guarded);
    },
    beginDrain() {
      controller.abort();
    },
    async settle(timeoutMs) {
      const stopAt = performance.now() + timeoutMs;
      while (open.size > 0) {
        const leftMs = stopAt - performance.now();
        if (leftMs <= 0) return false;
        await Promise.race([Promise.all(open), waitMs(leftMs)]);
      }
      return true;
    },
  };
}

/** Resolves after `delayMs`, or at once when the signal aborts. Keeps no process alive. */
export function waitMs(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    timer.unref();
    signal?.addEventListener('abort', done, { once: true });
  });
}
