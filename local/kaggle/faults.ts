/** Where a fault strikes: an RPC method's name, or one of the two things storage does. */
export type FaultPlace = string | 'storage.get' | 'storage.put';

/**
 * What goes wrong: `cut` breaks the connection half way, `lost-reply` carries the request out and then breaks the connection,
 * `wrong-md5` sends bytes that do not fit their hash, `html` answers 200 with a page, `expired` answers as after a signature's end.
 */
export type FaultKind = 'cut' | 'lost-reply' | 'wrong-md5' | 'html' | 'expired' | 'rate-limited' | 'unavailable';

/** One thing that goes wrong, `times` times (1 by default). */
export interface Fault {
  place: FaultPlace;
  kind: FaultKind;
  times?: number;
  /** Sent with `rate-limited` and `unavailable`; without it no Retry-After is sent. */
  retryAfterS?: number;
}

/** Faults still to come. Only the process that runs the stand-in can plan them: no request can. */
export class FaultPlan {
  readonly #faults: (Fault & { left: number })[] = [];

  add(fault: Fault): void {
    this.#faults.push({ ...fault, left: fault.times ?? 1 });
  }

  clear(): void {
    this.#faults.length = 0;
  }

  /** The next fault planned for a place, used up by this call. */
  take(place: FaultPlace): Fault | null {
    const fault = this.#faults.find((one) => one.place === place && one.left > 0);
    if (!fault) return null;
    fault.left -= 1;
    return fault;
  }
}
