import { EVENT_TYPES, type PlainEvent } from '#core/events.ts';
import type { DeclareTest, JobStoreSuite } from './job-store.ts';
import { addJob, jobOf, makeNewJob, randomKey, readJob } from '#test/_support/ledger.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** Accepting a job: once per key, with its first line of history and its event. */
export function testInserting(test: DeclareTest, { create }: JobStoreSuite): void {
  test('a new job is pending, with the first line of its history and one event to send', async (t) => {
    const store = await create(t);
    const wanted = makeNewJob({ tenant: 'acme', traceparent: TRACEPARENT, priority: 7 });
    const outcome = await store.insertJob(wanted);
    t.is(outcome.kind, 'created');
    const job = await readJob(store, wanted.id);
    t.deepEqual(job, jobOf(outcome));
    t.like(job, { id: wanted.id, tenant: 'acme', state: 'pending', version: 1, lastSeq: 1, attempt: 0, jobName: wanted.jobName });
    t.deepEqual(job.options, wanted.options);
    t.true(job.createdAt instanceof Date);
    const history = await store.readHistory({ jobId: job.id, afterSeq: 0, limit: 10 });
    t.like(history[0], { jobId: job.id, seq: 1, type: 'submitted', state: 'pending', attempt: 0, data: {} });
    const [row, ...others] = await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: null });
    t.is(others.length, 0);
    t.like(row, { jobId: job.id, tries: 0 });
    t.deepEqual(row?.event, {
      id: `${job.id}.1.${EVENT_TYPES.submitted}`,
      type: EVENT_TYPES.submitted,
      source: '/kaggle-agent/submit',
      subject: job.id,
      time: row?.createdAt.toISOString() ?? '',
      data: { job_id: job.id, slug: 'titanic', state: 'pending', attempt: 0, reason: job.reason, score: null, metric: null },
      extensions: { attempt: 0, tenant: 'acme', traceparent: TRACEPARENT },
    });
  });

  test('the same key and body again is the same job, another body is a mismatch, another tenant is not concerned', async (t) => {
    const store = await create(t);
    const key = randomKey();
    const first = await addJob(store, { idempotencyKey: { key, bodyHash: 'a' } });
    const again = await store.insertJob(makeNewJob({ idempotencyKey: { key, bodyHash: 'a' } }));
    const other = await store.insertJob(makeNewJob({ idempotencyKey: { key, bodyHash: 'b' } }));
    const foreign = await store.insertJob(makeNewJob({ tenant: 'other', idempotencyKey: { key, bodyHash: 'b' } }));
    t.deepEqual([again.kind, other.kind, foreign.kind], ['replayed', 'mismatch', 'created']);
    t.deepEqual([jobOf(again).id, jobOf(other).id], [first.id, first.id]);
    t.is((await store.countJobs(null)).pending, 2);
    t.is((await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: null })).length, 2);
  });

  test('the same source and id of a request is the same job, also beside a new key, which stays free', async (t) => {
    const store = await create(t);
    const request = { source: '/producer', id: randomKey(), bodyHash: 'a' };
    const first = await addJob(store, { request });
    const key = randomKey();
    const again = await store.insertJob(makeNewJob({ request, idempotencyKey: { key, bodyHash: 'a' } }));
    const other = await store.insertJob(makeNewJob({ request: { ...request, bodyHash: 'b' } }));
    t.deepEqual([again.kind, other.kind], ['replayed', 'mismatch']);
    t.is(jobOf(again).id, first.id);
    const free = await store.insertJob(makeNewJob({ idempotencyKey: { key, bodyHash: 'a' } }));
    t.is(free.kind, 'created');
    t.is((await store.findJobByRequest('default', request.source, request.id))?.id, first.id);
    t.is(await store.findJobByRequest('other', request.source, request.id), null);
  });

  test('fifty requests at once with one key make one job', async (t) => {
    const store = await create(t);
    const key = randomKey();
    const request = { source: '/producer', id: randomKey(), bodyHash: 'a' };
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        store.insertJob(makeNewJob({ idempotencyKey: { key, bodyHash: 'a' }, request: index % 2 === 0 ? request : null })),
      ),
    );
    t.is(outcomes.filter((outcome) => outcome.kind === 'created').length, 1);
    t.is(outcomes.filter((outcome) => outcome.kind === 'replayed').length, 49);
    t.is(new Set(outcomes.map((outcome) => jobOf(outcome).id)).size, 1);
    t.is((await store.countJobs(null)).pending, 1);
  });

  test('two hundred jobs at once are all kept', async (t) => {
    const store = await create(t);
    const jobs = await Promise.all(Array.from({ length: 200 }, () => addJob(store)));
    t.is(new Set(jobs.map((job) => job.id)).size, 200);
    t.is((await store.countJobs('default')).pending, 200);
    t.is((await store.readWork()).outboxDue, 200);
  });

  test('of a crowd in which one job has a taken name, only that one hears of it', async (t) => {
    const store = await create(t);
    const first = await addJob(store);
    const jobs = Array.from({ length: 40 }, (_, index) => makeNewJob(index === 20 ? { jobName: first.jobName } : {}));
    const outcomes = await Promise.all(jobs.map((job) => store.insertJob(job)));
    t.deepEqual(
      outcomes.map(({ kind }) => kind),
      jobs.map((_, index) => (index === 20 ? 'name-taken' : 'created')),
    );
    t.deepEqual(
      outcomes.flatMap((outcome) => (outcome.kind === 'created' ? [outcome.job.id] : [])),
      jobs.flatMap((job, index) => (index === 20 ? [] : [job.id])),
    );
    t.is((await store.countJobs(null)).pending, 40);
  });

  test("the event of a new job is the caller's to send, and after its lease anybody's, the same to the letter", async (t) => {
    const store = await create(t);
    const crowd = await Promise.all(
      [0, 60_000, 0, 60_000, 0].map((outboxLeaseMs) => store.insertJob(makeNewJob({ outboxLeaseMs, traceparent: 'trace \0' }))),
    );
    const given = crowd.flatMap((outcome) => (outcome.kind === 'created' ? [outcome.event] : []));
    t.is(given.length, crowd.length);
    const due = await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: null });
    const byId = (a: PlainEvent, b: PlainEvent) => a.id.localeCompare(b.id);
    t.deepEqual(due.map(({ event }) => event).toSorted(byId), given.filter((_, index) => index % 2 === 0).toSorted(byId));
  });

  test('a name or id that is taken asks for another one, and leaves nothing behind', async (t) => {
    const store = await create(t);
    const first = await addJob(store);
    const key = randomKey();
    t.is((await store.insertJob(makeNewJob({ jobName: first.jobName, idempotencyKey: { key, bodyHash: 'a' } }))).kind, 'name-taken');
    t.is((await store.insertJob(makeNewJob({ id: first.id, jobName: 'another' }))).kind, 'name-taken');
    t.is((await store.insertJob(makeNewJob({ idempotencyKey: { key, bodyHash: 'a' } }))).kind, 'created');
    t.is((await store.countJobs(null)).pending, 2);
  });

  test('characters that a database dislikes are stored or replaced, never an error', async (t) => {
    const store = await create(t);
    const wanted = makeNewJob({ request: { source: '/p\0q', id: '\0', bodyHash: 'a' } });
    const hint = 'NUL \0, lone surrogate \ud800, snowman ☃, \\u0000, quote \' and ", 😀';
    const job = jobOf(await store.insertJob({ ...wanted, options: { ...wanted.options, hint } }));
    t.is(job.options.hint, 'NUL \uFFFD, lone surrogate \uFFFD, snowman ☃, \\u0000, quote \' and ", 😀');
    t.is((await store.findJobByRequest('default', '/p\0q', '\0'))?.id, job.id);
  });
}
