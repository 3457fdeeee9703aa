import type { PlainEvent } from '#core/events.ts';

/** Condition on attributes, as in a Knative Trigger's `filters`: exact values, or any or all of several conditions. */
export type TriggerFilter =
  | { readonly exact: Readonly<Record<string, string>> }
  | { readonly any: readonly TriggerFilter[] }
  | { readonly all: readonly TriggerFilter[] };

/** How one trigger delivers; always spelled out. `retry` counts the tries after the first. */
export interface DeliverySettings {
  readonly retry: number;
  readonly backoffPolicy: 'exponential' | 'linear';
  readonly backoffDelayMs: number;
  /** Of one try. */
  readonly timeoutMs: number;
  /** URL for events that could not be delivered; null drops them. */
  readonly deadLetterSink: string | null;
}

/** Sends matching events of a broker to one subscriber. All `filters` must hold; none matches everything. */
export interface Trigger {
  readonly name: string;
  readonly filters: readonly TriggerFilter[];
  readonly subscriber: string;
  readonly delivery: DeliverySettings;
}

/** Whether a trigger wants an event. A missing attribute never equals anything, not even ''. */
export function matchesFilters(filters: readonly TriggerFilter[], event: PlainEvent): boolean {
  return filters.every((filter) => matchesFilter(filter, event));
}

function matchesFilter(filter: TriggerFilter, event: PlainEvent): boolean {
  if ('any' in filter) return filter.any.some((inner) => matchesFilter(inner, event));
  if ('all' in filter) return filter.all.every((inner) => matchesFilter(inner, event));
  return Object.entries(filter.exact).every(([name, value]) => readAttribute(event, name) === value);
}

function readAttribute(event: PlainEvent, name: string): string | null {
  if (name === 'id' || name === 'type' || name === 'source' || name === 'time') return event[name];
  if (name === 'subject') return event.subject === '' ? null : event.subject;
  if (name === 'specversion') return '1.0';
  const value = Object.hasOwn(event.extensions, name) ? event.extensions[name] : undefined;
  return value === undefined ? null : String(value);
}

/** Whether Knative tries again after this status (null: no answer): 404, 408, 409, 429 and 5xx; no other 4xx, no 3xx. */
export function isRetriedStatus(status: number | null): boolean {
  return status === null || status >= 500 || [404, 408, 409, 429].includes(status);
}

/** Pause before try `retry` + 1, in ms; `retry` counts from 0, as Knative does: exponential d, 2d, 4d … without cap; linear 0, d, 2d … */
export function computeRetryDelayMs(delivery: DeliverySettings, retry: number): number {
  return delivery.backoffPolicy === 'exponential' ? delivery.backoffDelayMs * 2 ** retry : delivery.backoffDelayMs * retry;
}
