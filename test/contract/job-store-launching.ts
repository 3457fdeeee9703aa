import type { DeclareTest, JobStoreSuite } from './job-store.ts';
import { addJob, change, claim, makeAttempt, readJob, readSeqs } from '#test/_support/ledger.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

/** Slots, attempts and leases. */
export function testLaunching(test: DeclareTest, { create }: JobStoreSuite): void {
  test('slots go to the highest priority first, then to the oldest, and never past the cap', async (t) => {
    const store = await create(t);
    const oldLow = await addJob(store, { priority: -5 });
    const first = await addJob(store);
    const second = await addJob(store);
    const high = await addJob(store, { priority: 9 });
    const ids = (items: Awaited<ReturnType<typeof claim>>) => items.map((item) => item.job.id);
    t.deepEqual(ids(await claim(store, 2)), [high.id, first.id]);
    t.deepEqual(ids(await claim(store, 2)), []);
    t.deepEqual(ids(await claim(store, 3)), [second.id]);
    t.deepEqual(ids(await claim(store, 99)), [oldLow.id]);
    t.like(await store.readWork(), { pendingDue: 0, slotsHeld: 4 });
    t.deepEqual(await claim(store, -1), []);
  });

  test('a claim makes attempt 1 with its frozen spec, a new version and a line of history; the job stays pending', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const [claimed] = await claim(store);
    t.like(claimed?.job, { id: job.id, state: 'pending', version: 2, lastSeq: 2, attempt: 1 });
    t.like(claimed?.attempt, { jobId: job.id, number: 1, state: 'launching', slotHeld: true, jobName: job.jobName, specHash: 'hash-1' });
    t.is(JSON.stringify(claimed?.attempt.spec), JSON.stringify(makeAttempt(job, 1, new Date()).spec));
    t.true((claimed?.attempt.leaseUntil?.getTime() ?? 0) > (claimed?.now.getTime() ?? 0) + 50_000);
    t.deepEqual((await store.getAttempt(job.id, 1))?.attempt, claimed?.attempt);
    t.deepEqual((await store.findAttemptByName(job.jobName))?.job, claimed?.job);
    const history = await store.readHistory({ jobId: job.id, afterSeq: 1, limit: 10 });
    t.deepEqual(
      history.map((line) => [line.seq, line.type, line.state, line.attempt]),
      [[2, 'launching', 'pending', 1]],
    );
  });

  test('eight launchers at once never exceed the cap and never get the same job', async (t) => {
    const store = await create(t);
    await Promise.all(Array.from({ length: 30 }, () => addJob(store)));
    const given: string[] = [];
    for (const cap of [5, 12, 30]) {
      const rounds = await Promise.all(Array.from({ length: 8 }, () => claim(store, cap)));
      given.push(...rounds.flat().map((item) => item.job.id));
      t.is(given.length, cap);
      t.is((await store.readWork()).slotsHeld, cap);
    }
    t.is(new Set(given).size, 30);
  });

  test('jobs that asked for cancel, wait for a time, or are on their way get no slot', async (t) => {
    const store = await create(t);
    const cancelled = await addJob(store);
    const later = await addJob(store);
    const due = await addJob(store);
    await change(store, cancelled, { change: { stamp: ['cancelRequestedAt'] } });
    const waiting = await change(store, later, { change: { notBeforeInMs: 3_600_000 } });
    await change(store, due, { change: { notBeforeInMs: -1 } });
    t.is((await store.readWork()).pendingDue, 1);
    t.deepEqual(
      (await claim(store)).map((item) => item.job.id),
      [due.id],
    );
    if (waiting !== null) await change(store, waiting, { change: { notBeforeInMs: null } });
    t.deepEqual(
      (await claim(store)).map((item) => item.job.id),
      [later.id],
    );
    t.deepEqual(await claim(store), []);
  });

  test('a cancel and a claim at the same moment: the slot is held, or the job is ended, never both', async (t) => {
    const store = await create(t);
    const jobs = await Promise.all(Array.from({ length: 20 }, () => addJob(store)));
    const cancel = (job: (typeof jobs)[number]) =>
      change(store, job, { from: ['pending'], onlyWithoutSlot: true, change: { state: 'cancelled', stamp: ['completedAt'] } });
    const [claimed, ...cancels] = await Promise.all([claim(store), ...jobs.map(cancel)]);
    const held = new Set(claimed.map((item) => item.job.id));
    for (const [index, job] of jobs.entries()) t.not(held.has(job.id), cancels[index] !== null, job.id);
  });

  test('a waiting attempt is opened again under its frozen spec, with nothing left of its last try', async (t) => {
    const store = await create(t);
    await addJob(store);
    const [first] = await claim(store);
    if (first === undefined) throw new Error('no attempt');
    const { job } = first;
    await store.changeAttempt({
      jobId: job.id,
      number: 1,
      from: ['launching'],
      change: { state: 'launched', clusterUid: 'uid', removeReason: 'cannot-start', stamp: ['launchedAt', 'removeRequestedAt'] },
    });
    await change(store, job, { attempt: { state: 'waiting', slotHeld: false, leaseForMs: null } });
    const [again] = await store.claimSlots({
      cap: 1,
      leaseMs: 60_000,
      make: () => {
        throw new Error('the frozen spec is used');
      },
    });
    t.deepEqual(again?.attempt, {
      ...first.attempt,
      leaseUntil: again?.attempt.leaseUntil ?? null,
    });
    t.like(again?.job, { version: job.version + 2, attempt: 1, state: 'pending' });
    t.deepEqual(await readSeqs(store, job.id), [1, 2, 3, 4]);
  });

  test('a maker that throws claims nothing', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const make = () => {
      throw new Error('no spec');
    };
    await t.throwsAsync(store.claimSlots({ cap: 5, leaseMs: 1000, make }), { message: 'no spec' });
    t.deepEqual(await readJob(store, job.id), job);
    t.is((await claim(store)).length, 1);
  });

  test('an attempt is changed only from the states named, and keeps what the change does not name', async (t) => {
    const store = await create(t);
    await addJob(store);
    const [claimed] = await claim(store);
    if (claimed === undefined) throw new Error('no attempt');
    const at = { jobId: claimed.job.id, number: 1 };
    t.is(await store.changeAttempt({ ...at, from: ['launched'], change: { state: 'claimed' } }), null);
    t.is(await store.changeAttempt({ ...at, number: 2, from: ['launching'], change: {} }), null);
    const launched = await store.changeAttempt({
      ...at,
      from: ['launching'],
      change: {
        state: 'launched',
        clusterUid: 'u',
        leaseForMs: null,
        lastEventSeq: 5,
        removeReason: 'stuck',
        stamp: ['launchedAt', 'lastEventAt'],
      },
    });
    t.like(launched, { state: 'launched', clusterUid: 'u', leaseUntil: null, lastEventSeq: 5, removeReason: 'stuck' });
    t.true(launched?.launchedAt instanceof Date);
    const later = await store.changeAttempt({
      ...at,
      from: ['launched'],
      change: { lastEventSeq: 3, removeReason: null, clusterUid: null },
    });
    t.like(later, { lastEventSeq: 5, removeReason: null, clusterUid: null, specHash: 'hash-1' });
    const ended = await store.changeAttempt({ ...at, from: ['launched'], change: { state: 'ended', stamp: ['endedAt'] } });
    t.is(ended?.state, 'ended');
    await t.throwsAsync(store.changeAttempt({ ...at, from: ['ended'], change: { state: 'claimed' } }));
    t.like(await store.changeAttempt({ ...at, from: ['ended'], change: { slotHeld: false, recordedInCluster: true } }), {
      state: 'ended',
      slotHeld: false,
      recordedInCluster: true,
    });
    t.deepEqual((await store.listOpenAttempts({ after: null, limit: 10 })).items, []);
  });

  test('a launch whose lease ran out is taken over by one launcher only', async (t) => {
    const store = await create(t);
    for (let index = 0; index < 6; index += 1) await addJob(store);
    t.is((await store.claimSlots({ cap: 6, leaseMs: 0, make: makeAttempt })).length, 6);
    await waitUntil('the leases to run out', async () => (await store.readWork()).launchesExpired === 6);
    const rounds = await Promise.all(Array.from({ length: 6 }, () => store.takeExpiredLaunches({ leaseMs: 60_000, limit: 4 })));
    const taken = rounds.flat().map((item) => item.job.id);
    t.is(taken.length, new Set(taken).size);
    const rest = await store.takeExpiredLaunches({ leaseMs: 60_000, limit: 100 });
    t.is(taken.length + rest.length, 6);
    t.deepEqual(await store.takeExpiredLaunches({ leaseMs: 60_000, limit: 100 }), []);
    t.is((await store.readWork()).launchesExpired, 0);
  });

  test('removals that are due are counted: told to go, cancelled, or ended and still holding a slot', async (t) => {
    const store = await create(t);
    for (let index = 0; index < 4; index += 1) await addJob(store);
    const [a, b, c] = await claim(store);
    if (a === undefined || b === undefined || c === undefined) throw new Error('four attempts');
    t.is((await store.readWork()).removalsDue, 0);
    await store.changeAttempt({ jobId: a.job.id, number: 1, from: ['launching'], change: { stamp: ['removeRequestedAt'] } });
    await change(store, b.job, { change: { stamp: ['cancelRequestedAt'] } });
    await change(store, c.job, { attempt: { state: 'ended' } });
    t.is((await store.readWork()).removalsDue, 3);
  });
}
