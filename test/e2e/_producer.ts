import { CloudEvent, HTTP } from 'cloudevents';
import type { Message } from 'cloudevents';
import { EVENT_TYPES } from '#core/events.ts';
import { KAGGLE_URL } from '#test/_support/plane.ts';

/** An event of another system that asks for something. */
export interface Wish {
  readonly id: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The source of all events here. */
export const SOURCE = '/crm/leads';

export function wishJob(id: string, data: Readonly<Record<string, unknown>> = {}): Wish {
  return { id, type: EVENT_TYPES.requested, data: { kaggle_url: KAGGLE_URL, ...data } };
}

export function wishCancel(id: string, data: Readonly<Record<string, unknown>>): Wish {
  return { id, type: EVENT_TYPES.cancelRequested, data };
}

function toCloudEvent(wish: Wish): CloudEvent<unknown> {
  return new CloudEvent({ ...wish, source: SOURCE, datacontenttype: 'application/json' });
}

/** Posts an event as the public CloudEvents package writes it. */
export function postWish(url: string, wish: Wish, mode: 'binary' | 'structured' = 'binary'): Promise<Response> {
  return post(url, HTTP[mode](toCloudEvent(wish)));
}

/** Posts several events in batched mode. */
export function postBatch(url: string, wishes: readonly Wish[]): Promise<Response> {
  const body = JSON.stringify(wishes.map((wish) => toCloudEvent(wish).toJSON()));
  return post(url, { headers: { 'content-type': 'application/cloudevents-batch+json' }, body });
}

function post(url: string, message: Message): Promise<Response> {
  const headers = Object.entries(message.headers).map(([name, value]): [string, string] => [name, String(value)]);
  return fetch(url, { method: 'POST', headers, body: String(message.body), signal: AbortSignal.timeout(30_000) });
}
