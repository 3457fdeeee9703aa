import type { PlainEvent } from '#core/events.ts';

/** What may go wrong between a broker's acknowledgment and a delivery. All of it is decided by one seeded sequence. */
export interface BrokerFaults {
  /** Share of deliveries that are lost (0 to 1), or which ones. */
  readonly drop?: number | ((event: PlainEvent, triggerName: string) => boolean);
  /** How often each delivery is made; 1 is normal. */
  readonly copies?: number;
  /** Deliveries are held until `size` of them (or `holdMs`, or a drain) have come, and then go out in random order. */
  readonly shuffle?: { readonly size: number; readonly holdMs: number } | null;
  /** Each delivery is late by this much, or by a random time up to `maxMs`. */
  readonly delayMs?: number | { readonly minMs: number; readonly maxMs: number };
}

export const NO_FAULTS = { drop: 0, copies: 1, shuffle: null, delayMs: 0 } as const satisfies Required<BrokerFaults>;

/** Random numbers in [0, 1), the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether the drop knob takes this delivery. */
export function isDropped(faults: Required<BrokerFaults>, random: () => number, event: PlainEvent, triggerName: string): boolean {
  return typeof faults.drop === 'function' ? faults.drop(event, triggerName) : random() < faults.drop;
}

/** How late the delay knob makes a delivery. */
export function drawDelayMs(faults: Required<BrokerFaults>, random: () => number): number {
  const { delayMs } = faults;
  return typeof delayMs === 'number' ? delayMs : delayMs.minMs + random() * (delayMs.maxMs - delayMs.minMs);
}

/** Holds pieces of work and lets them go in random order. */
export class ShuffleWindow {
  readonly #random: () => number;
  #held: (() => void)[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  get size(): number {
    return this.#held.length;
  }

  hold(release: () => void): void {
    this.#held.push(release);
  }

  releaseAll(): void {
    const held = this.#held;
    this.#held = [];
    for (let last = held.length - 1; last > 0; last -= 1) {
      const other = Math.floor(this.#random() * (last + 1));
      [held[last], held[other]] = [held[other] ?? (() => undefined), held[last] ?? (() => undefined)];
    }
    for (const release of held) release();
  }
}
