/** Who may change a shared state, one after the other; an order that was recorded before is followed as long as it can be. */
export interface Turns {
  /** `change` is told its place in the order. */
  take<T>(event: string, change: (place: number) => Promise<T> | T): Promise<T>;
  /** Looks again whether the recorded order can still be followed: somebody who could have come has ended or rests. */
  recheck(): void;
  /** Whether the recorded order is still followed. */
  follows(): boolean;
}

/** A place in the order, and whether nobody recorded it before. */
interface Turn {
  readonly index: number;
  readonly isNew: boolean;
}

/**
 * `recorded`: events in the order of an earlier run. The one whose turn it is goes first, whoever comes first; when all that are `busy` wait for
 * others, the order is given up. `record` keeps each event that was not recorded, with its place.
 */
export function createTurns(options: {
  readonly recorded: readonly string[];
  readonly record: (index: number, event: string) => Promise<void>;
  readonly busy: () => number;
}): Turns {
  const { recorded, record, busy } = options;
  const waiting: { readonly event: string; readonly go: (turn: Turn) => void }[] = [];
  let follows = recorded.length > 0;
  let index = 0;
  let tail: Promise<unknown> = Promise.resolve();

  /** Lets everybody go whose turn it is. */
  const letGo = (): void => {
    for (;;) {
      if (index >= recorded.length) follows = false;
      const at = follows ? waiting.findIndex(({ event }) => event === recorded[index]) : Math.min(0, waiting.length - 1);
      const [next] = at < 0 ? [] : waiting.splice(at, 1);
      if (next !== undefined) {
        next.go({ index, isNew: !follows });
        index += 1;
        continue;
      }
      if (!follows || waiting.length === 0 || waiting.length < busy()) return;
      follows = false;
    }
  };
  return {
    recheck: letGo,
    follows: () => follows,
    take(event, change) {
      return new Promise((resolve) => {
        // It joins the row as soon as it may go, not when somebody gets to hear of it.
        const go = ({ index: place, isNew }: Turn): void => {
          const result = tail.then(async () => {
            if (isNew) await record(place, event);
            return change(place);
          });
          tail = result.catch(() => undefined);
          resolve(result);
        };
        waiting.push({ event, go });
        letGo();
      });
    },
  };
}
