import type { JournalFact } from '../journal/entries.ts';

/** What a job may spend on calls, and what it has. A call is paid for before it is made; nothing is ever spent twice for the same reservation. */
export interface BudgetLedger {
  readonly capUsd: number;
  /** What was charged, and what is reserved and not settled yet. */
  committedUsd(): number;
  /** What was charged. */
  spentUsd(): number;
  /** Whether so much could be reserved now. */
  canAfford(usd: number): boolean;
  /** Sets so much aside, journaled before this resolves; null when the cap does not allow it. */
  reserve(usd: number): Promise<Reserved | null>;
}

/** Money set aside for one try of one call. */
export interface Reserved {
  readonly id: string;
  readonly usd: number;
  /** The call is over: charges what it cost, at most what was set aside, or all of that when the cost is unknown (null). Once only. */
  settle(usd: number | null, outcome: string): Promise<void>;
}

/** Whole billionths of a dollar: sums of them are exact. */
const NANO = 1e9;

/** `spentUsd`: what earlier attempts spent; reservations that they left open are charged in full, and are part of it. */
export function openLedger(options: {
  readonly capUsd: number;
  readonly spentUsd: number;
  readonly attempt: number;
  readonly append: (fact: JournalFact) => Promise<unknown>;
}): BudgetLedger {
  const { capUsd, attempt, append } = options;
  const cap = Math.floor(capUsd * NANO);
  let spent = Math.ceil(options.spentUsd * NANO);
  let reserved = 0;
  let count = 0;
  const fits = (nano: number): boolean => spent + reserved + nano <= cap;

  const settleAs = (held: number, id: string) => {
    let isOpen = true;
    return async (usd: number | null, outcome: string): Promise<void> => {
      if (!isOpen) throw new Error(`the reservation ${id} is settled already`);
      isOpen = false;
      const charged = usd === null ? held : Math.min(held, Math.max(0, Math.ceil(usd * NANO)));
      reserved -= held;
      spent += charged;
      await append({ type: 'settled', id, usd: charged / NANO, outcome: outcome.slice(0, 200) });
    };
  };

  return {
    capUsd,
    canAfford: (usd) => fits(Math.ceil(usd * NANO)),
    committedUsd: () => (spent + reserved) / NANO,
    spentUsd: () => spent / NANO,
    async reserve(usd) {
      const held = Math.ceil(usd * NANO);
      if (!(held >= 0) || !fits(held)) return null;
      // Counted before the first wait: two who ask at once cannot both have the last dollar.
      reserved += held;
      count += 1;
      const id = `claude-a${attempt}-${count}`;
      await append({ type: 'reserved', id, what: 'claude-call', usd: held / NANO, contentSha256: null });
      return { id, usd: held / NANO, settle: settleAs(held, id) };
    },
  };
}
