import { createTurns } from './turns.ts';
import type { Turns } from './turns.ts';

/** Several workers that share one state: it changes in turns, and one program trains at a time. */
export interface Workers {
  /** Runs `work` in each worker until it gives a reason to end. Resolves with the first reason once all have ended; throws the first error then. */
  run(work: () => Promise<string>): Promise<string>;
  /** The reason for which a worker ended, once one has. */
  endedBecause(): string | null;
  /** Changes the state, alone. `event` names the change, which is told its place: a later attempt makes the same ones in the same order. */
  turn<T>(event: string, change: (place: number) => Promise<T> | T): Promise<T>;
  /** Trains alone, in the order of the turns. */
  train<T>(event: string, work: () => Promise<T>): Promise<T>;
  /** Whether the order of an earlier attempt is still followed. */
  follows(): boolean;
  /** How often the state was changed. */
  changes(): number;
  /** Until another worker has changed the state since it was changed `seen` times, or ended. */
  rest(seen: number): Promise<void>;
}

/**
 * `count` workers. `recorded`: the turns of earlier attempts; `record` keeps a new one. With one worker the order needs no keeping: it is the
 * order of its own steps.
 */
export function createWorkers(options: {
  readonly count: number;
  readonly recorded: readonly string[];
  readonly record: (index: number, event: string) => Promise<void>;
}): Workers {
  const { count } = options;
  let alive = 1;
  const resting = new Set<() => void>();
  let ended: string | null = null;
  let changes = 0;
  const isAlone = count === 1;
  const turns: Turns = createTurns({
    recorded: isAlone ? [] : options.recorded,
    record: isAlone ? async () => undefined : options.record,
    busy: () => alive - resting.size,
  });
  const wakeAll = (): void => {
    for (const wake of resting) wake();
    resting.clear();
  };
  let training: Promise<unknown> = Promise.resolve();

  return {
    async run(work) {
      alive = count;
      const failures: unknown[] = [];
      const worker = async (): Promise<void> => {
        try {
          const reason = await work();
          ended ??= reason;
        } catch (error) {
          failures.push(error);
          ended ??= 'another worker failed';
        } finally {
          alive -= 1;
          wakeAll();
          turns.recheck();
        }
      };
      await Promise.all(Array.from({ length: count }, worker));
      alive = 1;
      if (failures.length > 0) throw failures[0];
      return ended ?? 'there was nothing to do';
    },
    endedBecause: () => ended,
    async turn(event, change) {
      try {
        return await turns.take(event, change);
      } finally {
        changes += 1;
        wakeAll();
      }
    },
    async train(event, work) {
      const mine = await turns.take(event, () => {
        // Only the place in the row is taken in the turn: the training itself holds nobody up.
        const before = training;
        const result = before.then(work);
        training = result.catch(() => undefined);
        return { result };
      });
      return mine.result;
    },
    follows: turns.follows,
    changes: () => changes,
    async rest(seen) {
      if (changes > seen || alive - resting.size <= 1) return;
      const change = new Promise<void>((wake) => void resting.add(wake));
      turns.recheck();
      await change;
    },
  };
}
