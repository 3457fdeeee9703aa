/**
 * Lets at most `places` pieces of work run at a time, in the order they came. Bounds requests to one server, and so its new connections:
 * a busy Node process accepts about one connection a turn of its event loop, so that a burst of a hundred can wait for seconds.
 */
export class Gate {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** Throws the signal's reason when it aborts before there is a place. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#waitForPlace(signal);
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  async #waitForPlace(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = () => {
      this.#queue.splice(this.#queue.indexOf(enter), 1);
      reject(signal?.reason);
    };
    const enter = () => {
      signal?.removeEventListener('abort', giveUp);
      resolve();
    };
    this.#queue.push(enter);
    signal?.addEventListener('abort', giveUp, { once: true });
    return promise;
  }
}
