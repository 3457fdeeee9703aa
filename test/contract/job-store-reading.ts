import { v7 as newId } from 'uuid';
import { AgentError } from '#core/errors.ts';
import { JOB_STATES } from '#core/job.ts';
import type { Job } from '#core/job.ts';
import type { JobQuery, JobStore } from '#core/ports.ts';
import type { DeclareTest, JobStoreSuite } from './job-store.ts';
import { addJob, change, claim } from '#test/_support/ledger.ts';

const ALL: JobQuery = { tenant: null, states: null, request: null, limit: 100, cursor: null };

async function readPages(store: JobStore, query: JobQuery): Promise<{ pages: Job[][]; totals: number[] }> {
  const pages: Job[][] = [];
  const totals: number[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<JobStore['listJobs']>> = await store.listJobs({ ...query, cursor });
    pages.push(page.jobs);
    totals.push(page.total);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return { pages, totals };
}

/** Lists, counts and look-ups. */
export function testReading(test: DeclareTest, { create }: JobStoreSuite): void {
  test('an id that no job has, or that is no id at all, is null', async (t) => {
    const store = await create(t);
    const strange = [newId(), '', 'x', "'; DROP TABLE jobs; --", '\0', '00000000-0000-0000-0000-00000000000g', 'a'.repeat(10_000)];
    for (const id of strange) {
      t.is(await store.getJob(id), null);
      t.is(await store.getAttempt(id, 1), null);
      t.is(await store.findAttemptByName(id), null);
      t.deepEqual(await store.readHistory({ jobId: id, afterSeq: 0, limit: 10 }), []);
      t.deepEqual(await store.listSolutions(id), []);
      t.deepEqual(await store.leaseOutbox({ limit: 10, leaseMs: 1, jobId: id }), []);
    }
    for (const number of [0, -1, 1.5, 1e12, Number.NaN]) t.is(await store.getAttempt(newId(), number), null);
  });

  test('pages go from the newest job to the oldest, each job once, with the whole count on every page', async (t) => {
    const store = await create(t);
    const jobs = await Promise.all(Array.from({ length: 23 }, () => addJob(store)));
    const { pages, totals } = await readPages(store, { ...ALL, limit: 5 });
    const listed = pages.flat();
    t.deepEqual(
      pages.map((page) => page.length),
      [5, 5, 5, 5, 3],
    );
    t.deepEqual(totals, [23, 23, 23, 23, 23]);
    t.deepEqual(listed.map((job) => job.id).toSorted(), jobs.map((job) => job.id).toSorted());
    const order = listed.map((job) => `${job.createdAt.toISOString()} ${job.id}`);
    t.deepEqual(order, order.toSorted().toReversed());
  });

  test('a job that comes between two pages moves none of the others', async (t) => {
    const store = await create(t);
    for (let index = 0; index < 4; index += 1) await addJob(store);
    const first = await store.listJobs({ ...ALL, limit: 2 });
    await addJob(store);
    const second = await store.listJobs({ ...ALL, limit: 2, cursor: first.nextCursor });
    t.is(new Set([...first.jobs, ...second.jobs].map((job) => job.id)).size, 4);
    t.is(second.total, 5);
    t.is(second.nextCursor, null);
  });

  test('a list holds one tenant, some states or one request when asked to', async (t) => {
    const store = await create(t);
    const mine = await addJob(store, { tenant: 'mine' });
    const yours = await addJob(store, { tenant: 'yours', request: { source: '/p', id: '1', bodyHash: 'a' } });
    await change(store, mine, { change: { state: 'queued' } });
    const list = async (query: Partial<JobQuery>) => (await store.listJobs({ ...ALL, ...query })).jobs.map((job) => job.id);
    t.deepEqual(await list({ tenant: 'mine' }), [mine.id]);
    t.deepEqual(await list({ states: ['queued'] }), [mine.id]);
    t.deepEqual(await list({ states: ['pending', 'queued'] }), [yours.id, mine.id]);
    t.deepEqual(await list({ states: [] }), []);
    t.deepEqual(await list({ request: { source: '/p', id: '1' } }), [yours.id]);
    t.deepEqual(await list({ tenant: 'mine', request: { source: '/p', id: '1' } }), []);
    t.like(await store.countJobs('mine'), { pending: 0, queued: 1 });
    t.deepEqual(Object.keys(await store.countJobs(null)).toSorted(), [...JOB_STATES].toSorted());
  });

  test('a cursor that is not ours is the caller’s error', async (t) => {
    const store = await create(t);
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const strange = [
      '',
      'x',
      encode(null),
      encode({ at: 1, id: 'x' }),
      encode({ at: 1e300, id: newId() }),
      encode({ at: 0.5, id: newId() }),
    ];
    for (const cursor of strange) {
      const error = await t.throwsAsync(store.listJobs({ ...ALL, cursor }), { instanceOf: AgentError }, cursor);
      t.is(error?.code, 'invalid-query');
    }
    const error = await t.throwsAsync(store.listOpenAttempts({ after: 'x', limit: 1 }), { instanceOf: AgentError });
    t.is(error?.code, 'invalid-query');
  });

  test('history is read after a number, for one job or for many', async (t) => {
    const store = await create(t);
    const jobs = [await addJob(store), await addJob(store), await addJob(store)];
    for (const job of jobs)
      await change(store, job, { history: [2, 3].map((n) => ({ type: 'progressed', message: `${n}`, data: { n } })) });
    const [a, b, c] = jobs.map((job) => job.id);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three jobs');
    const one = await store.readHistory({ jobId: a, afterSeq: 1, limit: 1 });
    t.deepEqual(
      one.map((line) => [line.seq, line.message, line.data]),
      [[2, '2', { n: 2 }]],
    );
    const after = new Map([
      [a, 3],
      [b, 2],
      [c, 0],
      ['no id', 0],
    ]);
    const many = await store.readHistories({ after, limit: 10 });
    const found = many.map((line) => `${line.jobId} ${line.seq}`);
    t.deepEqual(found.toSorted(), [`${b} 3`, `${c} 1`, `${c} 2`, `${c} 3`].toSorted());
    t.deepEqual(await store.readHistories({ after: new Map(), limit: 10 }), []);
    t.deepEqual(await store.readHistory({ jobId: a, afterSeq: 1e20, limit: 10 }), []);
    t.is((await store.readHistory({ jobId: a, afterSeq: Number.NaN, limit: 10 })).length, 3);
  });

  test('open attempts are paged, each once; ended ones that hold no slot are left out', async (t) => {
    const store = await create(t);
    for (let index = 0; index < 7; index += 1) await addJob(store);
    const claimed = await claim(store);
    const gone = claimed[3];
    if (gone === undefined) throw new Error('seven attempts');
    await change(store, gone.job, { attempt: { state: 'ended', slotHeld: false, stamp: ['endedAt'] } });
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: Awaited<ReturnType<JobStore['listOpenAttempts']>> = await store.listOpenAttempts({ after, limit: 2 });
      for (const item of page.items) {
        t.is(item.job.id, item.attempt.jobId);
        seen.push(item.attempt.jobId);
      }
      after = page.next;
    } while (after !== null);
    t.deepEqual(
      seen.toSorted(),
      claimed
        .map((item) => item.job.id)
        .filter((id) => id !== gone.job.id)
        .toSorted(),
    );
  });
}
