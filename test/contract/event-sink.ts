import type { ExecutionContext, TestFn } from 'ava';
import { AgentError } from '#core/errors.ts';
import type { PlainEvent } from '#core/events.ts';
import type { EventSink } from '#core/ports.ts';
import { waitUntil } from '../_support/wait-until.ts';

/** A sink, what came out at its far end, and how to take that end away. */
export interface SinkUnderTest {
  readonly sink: EventSink;
  readonly received: readonly PlainEvent[];
  stop(): Promise<void>;
}

const PLAIN: PlainEvent = {
  id: '0198c0de-0000-7000-8000-000000000001.3.dev.kaggle-agent.job.submitted.v1',
  type: 'dev.kaggle-agent.job.submitted.v1',
  source: '/kaggle-agent/submit',
  subject: '0198c0de-0000-7000-8000-000000000001',
  time: '2026-01-31T12:00:00.123Z',
  data: { job_id: '0198c0de-0000-7000-8000-000000000001', score: 0.5, nested: [null, 'ü', { a: true }] },
  extensions: { attempt: 2, tenant: 'default', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
};

/** Registers what every EventSink promises (core/ports.ts) as tests named after the implementation. */
export function testEventSink(test: TestFn, name: string, open: (t: ExecutionContext) => Promise<SinkUnderTest>): void {
  test(`${name}: an event arrives with all its attributes and data`, async (t) => {
    const { sink, received } = await open(t);
    await sink.send(PLAIN, { timeoutMs: 5000 });
    const event = await waitUntil('the event', () => received[0] ?? null);
    t.like(event, { ...PLAIN, extensions: { attempt: '2', tenant: 'default', traceparent: PLAIN.extensions['traceparent'] } });
  });

  test(`${name}: ids, subjects and extensions survive whatever characters they have`, async (t) => {
    const { sink, received } = await open(t);
    const strange = ['a b', '100%', '%41', '%', '"quoted"', 'Größe', '競技/タイタニック', '\u{1f600}', "it's,;=", ' leading and trailing '];
    for (const text of strange) await sink.send({ ...PLAIN, id: text, subject: text, extensions: { label: text } }, { timeoutMs: 5000 });
    await waitUntil('all events', () => received.length === strange.length);
    t.deepEqual(received.map((event) => event.id).sort(), [...strange].sort());
    for (const event of received) t.deepEqual([event.subject, event.extensions['label']], [event.id, event.id]);
  });

  test(`${name}: data of every JSON shape arrives as it was`, async (t) => {
    const { sink, received } = await open(t);
    const shapes = [null, 'text', '', '{"not": "parsed"}', 0, -1.5e10, false, true, [], {}, [[]], { '': '' }, { __proto__x: 1 }];
    for (const [index, data] of shapes.entries()) await sink.send({ ...PLAIN, id: String(index), data }, { timeoutMs: 5000 });
    await waitUntil('all events', () => received.length === shapes.length);
    for (const event of received) t.deepEqual(event.data, shapes[Number(event.id)], event.id);
  });

  test(`${name}: 200 events sent at once all arrive, once`, async (t) => {
    const { sink, received } = await open(t);
    const ids = Array.from({ length: 200 }, (_, index) => `id-${index}`);
    await Promise.all(ids.map((id) => sink.send({ ...PLAIN, id }, { timeoutMs: 30_000 })));
    await waitUntil('all events', () => received.length >= ids.length);
    t.deepEqual(received.map((event) => event.id).sort(), ids.sort());
  });

  test(`${name}: an event that can never be valid is refused and not sent`, async (t) => {
    const { sink, received } = await open(t);
    const invalid: Partial<PlainEvent>[] = [
      { id: '' },
      { type: '' },
      { source: '' },
      { subject: 'two\nlines' },
      { subject: '\ud800' },
      { id: 'x'.repeat(1001) },
      { time: 'yesterday' },
      { extensions: { jobId: 'x' } },
      { extensions: { type: 'x' } },
      { extensions: { share: 0.5 } },
      { data: 'x'.repeat(300_000) },
    ];
    for (const part of invalid) {
      const error = await t.throwsAsync(sink.send({ ...PLAIN, ...part }, { timeoutMs: 5000 }), { instanceOf: AgentError });
      t.true(error instanceof AgentError && error.turn === 'caller', JSON.stringify(part).slice(0, 80));
    }
    await sink.send(PLAIN, { timeoutMs: 5000 });
    await waitUntil('the valid event', () => received.length > 0);
    t.is(received.length, 1);
  });

  test(`${name}: an end that is gone is unavailable, and the message names it`, async (t) => {
    const { sink, stop } = await open(t);
    await sink.send(PLAIN, { timeoutMs: 5000 });
    await stop();
    const error = await t.throwsAsync(sink.send(PLAIN, { timeoutMs: 5000 }));
    t.true(error instanceof AgentError && error.code === 'unavailable' && error.turn === 'retry', String(error));
  });
}
