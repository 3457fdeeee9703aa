/** Runs `work` one at a time; calls that come meanwhile share one follow-up run. `wake` resolves after a run that began after the call. */
export interface Coalescer {
  wake(): Promise<void>;
}

/** Creates a coalescer. A failed run rejects those who waited for it, and the follow-up still happens. */
export function createCoalescer(work: () => Promise<unknown>): Coalescer {
  let current: Promise<void> | null = null;
  let next: Promise<void> | null = null;
  const start = (): Promise<void> => {
    const run = (async () => {
      await work();
    })().finally(() => {
      current = null;
    });
    current = run;
    return run;
  };
  return {
    wake() {
      if (current === null) return start();
      next ??= current
        .catch(() => undefined)
        .then(() => {
          next = null;
          return start();
        });
      return next;
    },
  };
}

/** One coalescer for each key, forgotten when idle: work on one thing is never done twice at once. */
export function createKeyedCoalescer<T>(work: (value: T) => Promise<unknown>): (key: string, value: T) => Promise<void> {
  const entries = new Map<string, Entry<T>>();
  return async (key, value) => {
    const entry = entries.get(key) ?? createEntry(work, value);
    entries.set(key, entry);
    entry.value = value;
    entry.users += 1;
    try {
      await entry.coalescer.wake();
    } finally {
      entry.users -= 1;
      if (entry.users === 0) entries.delete(key);
    }
  };
}

interface Entry<T> {
  readonly coalescer: Coalescer;
  users: number;
  value: T;
}

function createEntry<T>(work: (value: T) => Promise<unknown>, value: T): Entry<T> {
  const entry: Entry<T> = { coalescer: createCoalescer(() => work(entry.value)), users: 0, value };
  return entry;
}
