import { setTimeout as pause } from 'node:timers/promises';
import type { PlainEvent } from '#core/events.ts';
import type { Logger } from '#core/ports.ts';
import { attemptDelivery, makeDeadLetter } from './attempt.ts';
import type { AttemptOutcome } from './attempt.ts';
import { computeRetryDelayMs, isRetriedStatus, matchesFilters } from './delivery.ts';
import type { DeliverySettings, Trigger } from './delivery.ts';
import { NO_FAULTS, ShuffleWindow, createRandom, drawDelayMs, isDropped } from './faults.ts';
import type { BrokerFaults } from './faults.ts';
import { Gate } from './gate.ts';

const MAX_LOGGED_CHARS = 200;

/** A pause that ends early when `signal` aborts (by rejecting). */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** Counters since the broker was made. `accepted` and `replies` count events, the others deliveries to one trigger. */
export interface BrokerStats {
  readonly accepted: number;
  readonly refused: number;
  readonly replies: number;
  readonly delivered: number;
  readonly retried: number;
  /** Taken by a dead letter sink. */
  readonly deadLettered: number;
  /** Not delivered and not taken by a dead letter sink either. */
  readonly lost: number;
  /** By the knobs. */
  readonly dropped: number;
  readonly duplicated: number;
  /** Queued, held, waiting or under way now. */
  readonly pending: number;
}

export interface DispatcherOptions {
  readonly name: string;
  readonly triggers: readonly Trigger[];
  readonly logger: Logger;
  readonly now: () => Date;
  readonly wait: Wait | undefined;
  readonly faults: BrokerFaults;
  readonly seed: number;
  readonly concurrency: number;
}

type Counters = { -readonly [Name in keyof BrokerStats]: number };
type Failure = Extract<AttemptOutcome, { ok: false }>;

/** Delivers accepted events to the subscribers of matching triggers: tries, replies, dead letters and fault knobs. */
export class Dispatcher {
  readonly #name: string;
  readonly #logger: Logger;
  readonly #now: () => Date;
  readonly #wait: Wait;
  readonly #random: () => number;
  readonly #concurrency: number;
  readonly #gates = new Map<string, Gate>();
  readonly #window: ShuffleWindow;
  readonly #closing = new AbortController();
  readonly #counters: Counters = {
    accepted: 0,
    refused: 0,
    replies: 0,
    delivered: 0,
    retried: 0,
    deadLettered: 0,
    lost: 0,
    dropped: 0,
    duplicated: 0,
    pending: 0,
  };
  #triggers: readonly Trigger[];
  #faults: Required<BrokerFaults>;
  #drainers: (() => void)[] = [];

  constructor(options: DispatcherOptions) {
    this.#name = options.name;
    this.#logger = options.logger;
    this.#now = options.now;
    this.#wait = options.wait ?? (async (ms, signal) => pause(ms, undefined, { signal }));
    this.#random = createRandom(options.seed);
    this.#window = new ShuffleWindow(this.#random);
    this.#concurrency = options.concurrency;
    this.#triggers = options.triggers;
    this.#faults = { ...NO_FAULTS, ...options.faults };
  }

  setTriggers(triggers: readonly Trigger[]): void {
    this.#triggers = triggers;
  }

  setFaults(faults: BrokerFaults): void {
    this.#faults = { ...this.#faults, ...faults };
  }

  countRefused(): void {
    this.#counters.refused += 1;
  }

  stats(): BrokerStats {
    return { ...this.#counters };
  }

  async drain(): Promise<void> {
    if (this.#counters.pending === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drainers.push(resolve);
    this.#window.releaseAll();
    return promise;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the broker closes'));
    await this.drain();
  }

  /** Takes an event; everything it starts is counted as pending before this returns. True when no trigger lost it. */
  accept(received: PlainEvent, repliesLeft: number): Promise<boolean> {
    this.#counters.accepted += 1;
    const event = { ...received, extensions: { ...received.extensions, knativearrivaltime: this.#now().toISOString() } };
    const deliveries: Promise<boolean>[] = [];
    for (const trigger of this.#triggers) {
      if (!matchesFilters(trigger.filters, event)) continue;
      if (isDropped(this.#faults, this.#random, event, trigger.name)) {
        this.#counters.dropped += 1;
        continue;
      }
      const copies = Math.max(1, this.#faults.copies);
      this.#counters.duplicated += copies - 1;
      for (let copy = 0; copy < copies; copy += 1) deliveries.push(this.#track(trigger, event, repliesLeft));
    }
    return Promise.all(deliveries).then((results) => results.every(Boolean));
  }

  async #track(trigger: Trigger, event: PlainEvent, repliesLeft: number): Promise<boolean> {
    this.#counters.pending += 1;
    try {
      await this.#applyTiming();
      return await this.#deliver(trigger, event, repliesLeft);
    } catch (error) {
      // Only a pause that the closing broker ended: the queue is in memory and is lost, as the real one's.
      if (!this.#closing.signal.aborted)
        this.#logger.error({ broker: this.#name, trigger: trigger.name, err: error }, 'a delivery failed inside the broker');
      this.#counters.lost += 1;
      return false;
    } finally {
      this.#counters.pending -= 1;
      if (this.#counters.pending === 0) for (const done of this.#drainers.splice(0)) done();
    }
  }

  async #applyTiming(): Promise<void> {
    const { shuffle } = this.#faults;
    const delayMs = drawDelayMs(this.#faults, this.#random);
    if (shuffle !== null) await this.#holdInWindow(shuffle);
    if (delayMs > 0) await this.#wait(delayMs, this.#closing.signal);
  }

  async #holdInWindow(shuffle: { readonly size: number; readonly holdMs: number }): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#window.hold(resolve);
    if (this.#window.size >= shuffle.size || this.#drainers.length > 0) {
      this.#window.releaseAll();
    } else {
      const released = new AbortController();
      void promise.then(() => released.abort());
      void this.#wait(shuffle.holdMs, AbortSignal.any([released.signal, this.#closing.signal])).then(
        () => this.#window.releaseAll(),
        () => this.#closing.signal.aborted && this.#window.releaseAll(),
      );
    }
    return promise;
  }

  async #deliver(trigger: Trigger, event: PlainEvent, repliesLeft: number): Promise<boolean> {
    const { delivery, subscriber } = trigger;
    const outcome = await this.#tryAll(subscriber, event, delivery, false);
    if (outcome.ok) {
      this.#counters.delivered += 1;
      return outcome.reply === null || this.#acceptReply(trigger, outcome.reply, repliesLeft);
    }
    return this.#giveUp(trigger, event, outcome);
  }

  #acceptReply(trigger: Trigger, reply: PlainEvent, repliesLeft: number): Promise<boolean> | boolean {
    if (repliesLeft <= 0) {
      this.#logger.warn({ broker: this.#name, trigger: trigger.name, event: reply.id }, 'a reply went round too often and was dropped');
      return true;
    }
    this.#counters.replies += 1;
    return this.accept(reply, repliesLeft - 1);
  }

  async #giveUp(trigger: Trigger, event: PlainEvent, failure: Failure): Promise<boolean> {
    const { deadLetterSink } = trigger.delivery;
    const answer = failure.body.slice(0, MAX_LOGGED_CHARS);
    const fields = { broker: this.#name, trigger: trigger.name, event: event.id, type: event.type, status: failure.status, answer };
    if (deadLetterSink !== null && !this.#closing.signal.aborted) {
      const letter = makeDeadLetter(event, { destination: trigger.subscriber, status: failure.status, body: failure.body });
      const outcome = await this.#tryAll(deadLetterSink, letter, trigger.delivery, true);
      if (outcome.ok) {
        this.#counters.deadLettered += 1;
        this.#logger.warn(fields, 'an event was not taken by its subscriber and went to the dead letter sink');
        return true;
      }
    }
    this.#counters.lost += 1;
    if (!this.#closing.signal.aborted) this.#logger.warn(fields, 'an event was not taken by its subscriber and is lost');
    return false;
  }

  async #tryAll(url: string, event: PlainEvent, delivery: DeliverySettings, anyBody: boolean): Promise<AttemptOutcome> {
    const { signal } = this.#closing;
    for (let retry = 0; ; retry += 1) {
      const params = { url, event, timeoutMs: delivery.timeoutMs, signal, anyBody };
      const outcome = await this.#gate(url).run(() => attemptDelivery(params));
      if (outcome.ok || retry >= delivery.retry || !isRetriedStatus(outcome.status) || signal.aborted) return outcome;
      this.#counters.retried += 1;
      await this.#wait(computeRetryDelayMs(delivery, retry), signal);
    }
  }

  /** Requests to one subscriber are bounded; a pause between tries holds no place. */
  #gate(url: string): Gate {
    const gate = this.#gates.get(url) ?? new Gate(this.#concurrency);
    this.#gates.set(url, gate);
    return gate;
  }
}
