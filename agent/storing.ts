import type { ArtifactStore, CreateOutcome } from '#core/ports.ts';
import { AgentError } from '#core/errors.ts';
import { computeBackoffDelayMs } from '#core/retry.ts';
import { setTimeout as delay } from 'node:timers/promises';

const STORAGE_BACKOFF = { initialMs: 200, factor: 2, maxMs: 5_000 } as const;

/** How often storage is tried again before an attempt gives up; a lost reply is recognised by the bytes being the same. */
export interface RetryOptions {
  readonly tries: number;
  readonly signal?: AbortSignal | undefined;
}

/** Create-only write, tried again while storage is unavailable. `exists` with the same bytes is our own write whose reply was lost. */
export async function createWithRetry(
  store: ArtifactStore,
  object: { readonly key: string; readonly body: Uint8Array | string; readonly contentType: string },
  options: RetryOptions = { tries: 8 },
): Promise<CreateOutcome> {
  return retryUnavailable(() => store.createObject(object.key, object.body, object.contentType), options);
}

/** Runs `work` again, with backoff, while it throws AgentError `unavailable`; then throws the last error. */
export async function retryUnavailable<T>(work: () => Promise<T>, options: RetryOptions = { tries: 8 }): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof AgentError && error.code === 'unavailable' && tries < options.tries && !options.signal?.aborted;
      if (!again) throw error;
      await delay(computeBackoffDelayMs(STORAGE_BACKOFF, tries, Math.random), undefined, { ref: true });
    }
  }
}

/** A create-only write as a wrapper sees it; `body` is null when it comes from a file. */
export interface ObservedWrite {
  readonly key: string;
  readonly body: Uint8Array | string | null;
  readonly write: () => Promise<CreateOutcome>;
}

/** The same store with something around each create-only write; reads pass through. */
export function wrapWrites(store: ArtifactStore, around: (observed: ObservedWrite) => Promise<CreateOutcome>): ArtifactStore {
  return {
    createObject: (key, body, type) => around({ key, body, write: () => store.createObject(key, body, type) }),
    createObjectFromFile: (key, path, type) => around({ key, body: null, write: () => store.createObjectFromFile(key, path, type) }),
    copyObject: (from, to) => store.copyObject(from, to),
    statObject: (key) => store.statObject(key),
    readObject: (key, maxBytes) => store.readObject(key, maxBytes),
    openObject: (key, range) => store.openObject(key, range),
    listObjects: (params) => store.listObjects(params),
    deletePrefix: (prefix) => store.deletePrefix(prefix),
    ping: () => store.ping(),
  };
}
