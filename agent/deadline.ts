import type { Clock } from '#core/ports.ts';

/** The attempt's time, counted by a monotonic clock from its claim. Nothing that trains may touch the finalization reserve. */
export interface Deadline {
  /** The job's own limit: what its first attempt had. Shares of the time and the reserve are of that, in every attempt. */
  limitS(): number;
  elapsedS(): number;
  /** Seconds until the limit; negative when past. */
  remainingS(): number;
  /** Seconds that training may still use: remaining minus the finalization reserve. */
  workS(): number;
  reserveS(): number;
  /** Nothing may train any more, as if only the reserve were left. */
  endWork(): void;
  /** Tells what limit the job's first attempt had. */
  adoptLimit(limitS: number): void;
  /** Tells what decode + validate + store took, which may raise the reserve (solution contract, section 3). */
  measureFinalization(seconds: number): void;
}

/** Starts the clock now, for an attempt that has `leftS` seconds. Reserve = max(1.5 × measured cost of decode + validate + store, min(60 s, max(3 s, 10 % of the limit))). */
export function startDeadline(clock: Clock, leftS: number): Deadline {
  const startMs = clock.monotonicMs();
  let limitS = leftS;
  let measuredS = 0;
  let isWorkOver = false;
  const elapsedS = () => (clock.monotonicMs() - startMs) / 1000;
  const remainingS = () => leftS - elapsedS();
  const reserveS = () => Math.max(1.5 * measuredS, Math.min(60, Math.max(3, 0.1 * limitS)));
  return {
    limitS: () => limitS,
    elapsedS,
    remainingS,
    reserveS,
    workS: () => (isWorkOver ? Math.min(0, remainingS() - reserveS()) : remainingS() - reserveS()),
    endWork: () => {
      isWorkOver = true;
    },
    adoptLimit: (firstS) => {
      limitS = firstS;
    },
    measureFinalization: (seconds) => {
      measuredS = Math.max(measuredS, seconds);
    },
  };
}
