import { COLLECTOR_TYPES, EVENT_TYPES, LAUNCHER_TYPES } from '#core/events.ts';
import type { DeliverySettings, Trigger } from './delivery.ts';

type Timing = Omit<DeliverySettings, 'deadLetterSink'>;

/** One line of the trigger table: which event types of which broker go to which door of which function, and how. */
export interface TriggerRow {
  readonly name: string;
  readonly broker: 'intake' | 'signals';
  readonly types: readonly string[];
  readonly service: 'submit' | 'job-launcher' | 'collector';
  readonly path: string;
  readonly timing: Timing;
  /** Undelivered events go to the dead-letter function; hints may die, the tick repairs. */
  readonly deadLetter: boolean;
}

/** 8 retries, 1 s doubling: 255 s of pauses in all. */
const COMMANDS: Timing = { retry: 8, backoffPolicy: 'exponential', backoffDelayMs: 1000, timeoutMs: 30_000 };
/** Launching talks to the cluster, so one try may take longer. */
const LAUNCHES: Timing = { ...COMMANDS, timeoutMs: 60_000 };
/** Knative's linear policy waits 0 s, then 2 s. */
const HINTS: Timing = { retry: 2, backoffPolicy: 'linear', backoffDelayMs: 2000, timeoutMs: 30_000 };

/** Every trigger of the system. */
export const TRIGGER_TABLE: readonly TriggerRow[] = [
  {
    name: 'submit',
    broker: 'intake',
    types: [EVENT_TYPES.requested, EVENT_TYPES.cancelRequested],
    service: 'submit',
    path: '/events',
    timing: COMMANDS,
    deadLetter: true,
  },
  { name: 'job-launcher', broker: 'intake', types: LAUNCHER_TYPES, service: 'job-launcher', path: '/', timing: LAUNCHES, deadLetter: true },
  { name: 'collector', broker: 'signals', types: COLLECTOR_TYPES, service: 'collector', path: '/', timing: HINTS, deadLetter: false },
];

/** Base addresses of the functions, and the full address of the dead-letter function's door. */
export interface TriggerTargets {
  readonly submit: string;
  readonly jobLauncher: string;
  readonly collector: string;
  readonly deadLetter: string;
}

/** The table as triggers of one broker. `timing` replaces parts of every row's timing (tests that can't wait 255 s). */
export function buildTriggers(broker: 'intake' | 'signals', targets: TriggerTargets, timing: Partial<Timing> = {}): Trigger[] {
  const bases = { submit: targets.submit, 'job-launcher': targets.jobLauncher, collector: targets.collector };
  return TRIGGER_TABLE.filter((row) => row.broker === broker).map((row) => ({
    name: row.name,
    filters: [{ any: row.types.map((type) => ({ exact: { type } })) }],
    subscriber: `${bases[row.service].replace(/\/+$/, '')}${row.path}`,
    delivery: { ...row.timing, ...timing, deadLetterSink: row.deadLetter ? targets.deadLetter : null },
  }));
}
