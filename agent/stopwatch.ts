import type { Clock } from '#core/ports.ts';

/** Where an attempt's seconds go. When several are under way at once, the time counts for the first of this list. */
export const PHASES = ['train', 'claude', 'grade', 'kaggle', 'download', 'cut', 'profile', 'store'] as const;
export type Phase = (typeof PHASES)[number];

/** Splits the attempt's wall time over its phases; what belongs to none is `other`. The parts add up to the whole. */
export interface Stopwatch {
  measure<T>(phase: Phase, work: () => Promise<T>): Promise<T>;
  /** Seconds per phase so far, rounded to milliseconds. */
  split(): Record<Phase | 'other', number>;
}

/** Starts now. */
export function startStopwatch(clock: Clock): Stopwatch {
  const active = new Map<Phase, number>();
  const spentMs: Record<Phase | 'other', number> = {
    train: 0,
    claude: 0,
    grade: 0,
    kaggle: 0,
    download: 0,
    cut: 0,
    profile: 0,
    store: 0,
    other: 0,
  };
  let lastMs = clock.monotonicMs();
  const settle = (): void => {
    const nowMs = clock.monotonicMs();
    spentMs[PHASES.find((phase) => (active.get(phase) ?? 0) > 0) ?? 'other'] += nowMs - lastMs;
    lastMs = nowMs;
  };
  const count = (phase: Phase, step: number): void => {
    settle();
    active.set(phase, (active.get(phase) ?? 0) + step);
  };
  return {
    async measure(phase, work) {
      count(phase, 1);
      try {
        return await work();
      } finally {
        count(phase, -1);
      }
    },
    split() {
      settle();
      const seconds = (ms: number): number => Math.round(ms) / 1000;
      const { train, claude, grade, kaggle, download, cut, profile, store, other } = spentMs;
      return {
        train: seconds(train),
        claude: seconds(claude),
        grade: seconds(grade),
        kaggle: seconds(kaggle),
        download: seconds(download),
        cut: seconds(cut),
        profile: seconds(profile),
        store: seconds(store),
        other: seconds(other),
      };
    },
  };
}
