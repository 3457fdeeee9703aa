import type { Clock } from '#core/ports.ts';

/** This machine's clocks. */
export const systemClock: Clock = { now: () => new Date(), monotonicMs: () => performance.now() };
