import { EVENT_TYPES } from '#core/events.ts';
import type { PlainEvent } from '#core/events.ts';
import type { DeclareTest, JobStoreSuite } from './job-store.ts';
import { addJob, change, claim, randomKey } from '#test/_support/ledger.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const EVENT: PlainEvent = {
  id: '1',
  type: EVENT_TYPES.exited,
  source: '/x',
  subject: 'y',
  time: '2026-01-01T00:00:00.000Z',
  data: { poison: '\0 \ud800', deep: [null] },
  extensions: { attempt: 1 },
};

/** Outbox, inbox, dead letters, counters, retention. */
export function testEvents(test: DeclareTest, { create }: JobStoreSuite): void {
  test('ten relays at once lease every event once', async (t) => {
    const store = await create(t);
    await Promise.all(Array.from({ length: 40 }, () => addJob(store)));
    const lease = () => store.leaseOutbox({ limit: 7, leaseMs: 60_000, jobId: null });
    const leased = (await Promise.all(Array.from({ length: 10 }, lease))).flat();
    const rest = await store.leaseOutbox({ limit: 100, leaseMs: 60_000, jobId: null });
    const ids = [...leased, ...rest].map((row) => row.event.id);
    t.is(ids.length, 40);
    t.is(new Set(ids).size, 40);
    t.is((await store.readWork()).outboxDue, 0);
  });

  test('an event is leased again after its lease, until it is marked as sent', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    t.is((await store.leaseOutbox({ limit: 5, leaseMs: 0, jobId: job.id })).length, 1);
    const [row] = await waitUntil('the lease to end', async () => {
      const rows = await store.leaseOutbox({ limit: 5, leaseMs: 60_000, jobId: job.id });
      return rows.length === 1 && rows;
    });
    if (row === undefined) throw new Error('no row');
    await store.rescheduleSend({ eventId: row.event.id, delayMs: 0, error: 'refused \0' });
    const [again] = await waitUntil('the retry', async () => {
      const rows = await store.leaseOutbox({ limit: 5, leaseMs: 0, jobId: null });
      return rows.length === 1 && rows;
    });
    t.is(again?.tries, 1);
    t.deepEqual(again?.event, row.event);
    await store.markSent([row.event.id, 'unknown']);
    await store.rescheduleSend({ eventId: row.event.id, delayMs: 0, error: 'too late' });
    t.is((await store.readWork()).outboxDue, 0);
    t.deepEqual(await store.leaseOutbox({ limit: 5, leaseMs: 0, jobId: job.id }), []);
    await store.markSent([]);
  });

  test('the events of one job are given in order of its versions', async (t) => {
    const store = await create(t);
    let job = await addJob(store);
    for (let index = 0; index < 11; index += 1) {
      const changed = await change(store, job, { outbox: [{ type: EVENT_TYPES.improved, source: '/s' }] });
      if (changed === null) throw new Error('refused');
      job = changed;
    }
    const rows = await store.leaseOutbox({ limit: 50, leaseMs: 60_000, jobId: job.id });
    t.deepEqual(
      rows.map((row) => Number(row.event.id.split('.')[1])),
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
  });

  test('an inbox says true once for each consumer, source and id', async (t) => {
    const store = await create(t);
    const seen = { consumer: 'submit', source: '/a', id: randomKey() };
    const answers = await Promise.all(Array.from({ length: 10 }, () => store.insertInbox(seen)));
    t.is(answers.filter(Boolean).length, 1);
    t.true(await store.insertInbox({ ...seen, consumer: 'collector' }));
    t.true(await store.insertInbox({ ...seen, source: '/b' }));
    t.false(await store.insertInbox(seen));
  });

  test('a dead letter is kept as it came, once, and can be marked as sent again', async (t) => {
    const store = await create(t);
    const letter = { id: randomKey(), event: EVENT, errorDestination: 'http://x', errorCode: '500', errorData: 'oops \0' };
    await store.insertDeadLetter(letter);
    await store.insertDeadLetter({ ...letter, errorCode: '501' });
    const [kept, ...others] = await store.listDeadLetters({ limit: 10 });
    t.is(others.length, 0);
    t.like(kept, { id: letter.id, errorCode: '500', errorData: 'oops \uFFFD', redrivenAt: null });
    t.deepEqual(kept?.event, EVENT);
    t.true(await store.markRedriven(letter.id));
    t.true((await store.getDeadLetter(letter.id))?.redrivenAt instanceof Date);
    t.false(await store.markRedriven('unknown'));
    t.is(await store.getDeadLetter('unknown'), null);
  });

  test('counters add up under many writers', async (t) => {
    const store = await create(t);
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => store.addCounters(index % 2 === 0 ? { stale: 1, repairs: 2 } : { repairs: 2, stale: 1 })),
    );
    await store.addCounters({});
    t.deepEqual(await store.readCounters(), { stale: 20, repairs: 40 });
  });

  test('retention takes finished jobs with all that is theirs, and leaves live ones, held slots and unsent events', async (t) => {
    const store = await create(t);
    const end = { change: { state: 'failed', stamp: ['completedAt'] } } as const;
    const key = { key: randomKey(), bodyHash: 'a' };
    const old = await addJob(store, { idempotencyKey: key });
    const live = await addJob(store);
    const unsent = await addJob(store);
    const holding = (await claim(store)).find((item) => item.job.id === old.id);
    if (holding === undefined) throw new Error('no attempt');
    await store.markSent((await store.leaseOutbox({ limit: 5, leaseMs: 60_000, jobId: old.id })).map((row) => row.event.id));
    await change(store, holding.job, { ...end, attempt: { state: 'ended' } });
    const other = await store.getJob(unsent.id);
    if (other !== null) await change(store, other, end);
    t.deepEqual((await store.prune({ retentionDays: 0, limit: 10 })).jobs, []);
    await store.changeAttempt({ jobId: old.id, number: 1, from: ['ended'], change: { slotHeld: false } });
    t.deepEqual((await store.prune({ retentionDays: 90, limit: 10 })).jobs, []);
    t.deepEqual((await store.prune({ retentionDays: 0, limit: 10 })).jobs, [old.id]);
    t.is(await store.getJob(old.id), null);
    t.deepEqual((await store.prune({ retentionDays: 0, limit: 10 })).jobs, [old.id], 'told again: its objects may still be there');
    await store.forgetPruned(old.id);
    t.deepEqual((await store.prune({ retentionDays: 0, limit: 10 })).jobs, []);
    t.is(await store.getAttempt(old.id, 1), null);
    t.not(await store.getJob(live.id), null);
    t.not(await store.getJob(unsent.id), null);
    const again = await addJob(store, { idempotencyKey: key });
    t.not(again.id, old.id);
  });

  test('a ping answers', async (t) => {
    await t.notThrowsAsync((await create(t)).ping());
  });
}
