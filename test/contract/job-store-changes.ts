import { EVENT_TYPES } from '#core/events.ts';
import { FINAL_STATES, LIVE_STATES } from '#core/job.ts';
import type { Job, JobResult, Progress } from '#core/job.ts';
import type { DeclareTest, JobStoreSuite } from './job-store.ts';
import { addJob, change, claim, makeSolution, readJob, readSeqs } from '#test/_support/ledger.ts';

const PROGRESS: Progress = {
  stage: 'execute',
  message: 'trying',
  solutionsDone: 2,
  solutionsPlanned: null,
  best: { score: 0.5, low: 0.4, high: 0.6 },
  metric: 'rmse',
  direction: 'minimize',
  remainingS: 12.5,
  firstValidSeconds: null,
};

const RESULT: JobResult = {
  attempt: 1,
  partial: false,
  quality: 'model',
  cv: { score: 0.25, low: 0.2, high: 0.3 },
  metric: 'mae',
  direction: 'minimize',
  metricIsProxy: false,
  expected: { score: 1, low: 0, high: 2 },
  trust: { verdict: 'unverified', reasons: ['look here'] },
  valid: true,
  solutions: 1,
  bestSolution: 1,
  resources: null,
  firstValidSeconds: 1,
  seconds: 2,
  leaderboard: null,
  notes: [],
  files: [],
};

const END = { change: { state: 'success', stamp: ['completedAt'] }, history: [{ type: 'finished', message: 'done' }] } as const;

/** Fenced, versioned changes: all of one or nothing of it. */
export function testChanges(test: DeclareTest, { create }: JobStoreSuite): void {
  test('a change writes columns, history and events together, under the next version', async (t) => {
    const store = await create(t);
    const job = await addJob(store, { tenant: 'acme' });
    await store.markSent((await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: job.id })).map((row) => row.event.id));
    const resources = { cpuMillis: 2000, memoryMib: 3072 };
    const changed = await change(store, job, {
      change: { state: 'queued', reason: 'in line', progress: PROGRESS, resources, podName: 'pod', launchTries: 3, stamp: ['queuedAt'] },
      history: [
        { type: 'queued', message: 'one' },
        { type: 'progressed', message: 'two', data: { deep: [1, { x: null }] } },
      ],
      outbox: [
        { type: EVENT_TYPES.improved, source: '/kaggle-agent/collector' },
        { type: EVENT_TYPES.requeued, source: '/kaggle-agent/collector' },
      ],
    });
    t.like(changed, { version: 2, lastSeq: 3, state: 'queued', reason: 'in line', podName: 'pod', launchTries: 3, progress: PROGRESS });
    t.deepEqual(changed?.options, { ...job.options, resources });
    t.deepEqual(await readJob(store, job.id), changed);
    const history = await store.readHistory({ jobId: job.id, afterSeq: 1, limit: 10 });
    t.deepEqual(
      history.map((line) => [line.seq, line.type, line.state, line.message, line.data]),
      [
        [2, 'queued', 'queued', 'one', {}],
        [3, 'progressed', 'queued', 'two', { deep: [1, { x: null }] }],
      ],
    );
    const rows = await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: job.id });
    t.deepEqual(rows.map((row) => row.event.id).toSorted(), [`${job.id}.2.${EVENT_TYPES.improved}`, `${job.id}.2.${EVENT_TYPES.requeued}`]);
    const fact = { job_id: job.id, slug: 'titanic', state: 'queued', attempt: 0, reason: 'in line', score: 0.5, metric: 'rmse' };
    t.deepEqual(rows[0]?.event.data, fact);
    t.deepEqual(rows[0]?.event.extensions, { attempt: 0, tenant: 'acme' });
  });

  test('what a change does not name stays; null and clear take away; stamps use the database’s clock', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const stamps = ['queuedAt', 'startedAt', 'firstStartedAt', 'cancelRequestedAt'] as const;
    const error = { code: 'lost', message: 'gone', turn: 'retry' } as const;
    const set = await change(store, job, { change: { progress: PROGRESS, error, podName: 'p', notBeforeInMs: 60_000, stamp: stamps } });
    if (set === null) throw new Error('refused');
    for (const stamp of stamps) t.true(set[stamp] instanceof Date, stamp);
    t.true((set.notBefore?.getTime() ?? 0) - set.updatedAt.getTime() > 59_000);
    const same = await change(store, set, { change: {} });
    if (same === null) throw new Error('refused');
    t.deepEqual({ ...same, version: 0, lastSeq: 0, updatedAt: null }, { ...set, version: 0, lastSeq: 0, updatedAt: null });
    const cleared = await change(store, same, {
      change: { progress: null, error: null, notBeforeInMs: null, clear: ['queuedAt', 'startedAt', 'podName'], stamp: ['firstStartedAt'] },
    });
    t.like(cleared, { progress: null, error: null, notBefore: null, queuedAt: null, startedAt: null, podName: null });
    t.deepEqual(cleared?.firstStartedAt, set.firstStartedAt);
  });

  test('of twenty changes of one version at once exactly one wins', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => change(store, job, { change: { reason: `writer ${index}` } })),
    );
    const winners = outcomes.filter((outcome) => outcome !== null);
    t.is(winners.length, 1);
    t.is(winners[0]?.reason, (await readJob(store, job.id)).reason);
    t.deepEqual(await readSeqs(store, job.id), [1, 2]);
  });

  test('twenty writers at once leave a history without gap or double, and as many versions as changes', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const write = async (writer: number) => {
      const lines = Array.from({ length: (writer % 3) + 1 }, () => ({ type: 'progressed' as const, message: `writer ${writer}` }));
      let written: Job | null = null;
      while (written === null) written = await change(store, await readJob(store, job.id), { history: lines });
      return lines.length;
    };
    const counts = await Promise.all(Array.from({ length: 20 }, (_, writer) => write(writer)));
    const lines = 1 + counts.reduce((sum, count) => sum + count, 0);
    t.deepEqual(
      await readSeqs(store, job.id),
      Array.from({ length: lines }, (_, index) => index + 1),
    );
    t.like(await readJob(store, job.id), { version: 21, lastSeq: lines });
  });

  for (const final of FINAL_STATES) {
    test(`a job that is ${final} never changes its state again`, async (t) => {
      const store = await create(t);
      const job = await addJob(store);
      const ended = await change(store, job, { ...END, change: { ...END.change, state: final, reason: 'first' } });
      if (ended === null) throw new Error('refused');
      t.is(await change(store, ended, { change: { state: 'running' } }), null);
      t.is(await change(store, ended, { from: LIVE_STATES, change: { state: 'failed' } }), null);
      const other = final === 'success' ? 'failed' : 'success';
      await t.throwsAsync(change(store, ended, { from: FINAL_STATES, change: { state: other } }));
      await t.throwsAsync(change(store, ended, { from: FINAL_STATES, change: { state: 'pending' } }));
      t.deepEqual(await readJob(store, job.id), ended);
      t.deepEqual(await readSeqs(store, job.id), [1, 2]);
    });
  }

  test('the first of many ends at once is the only one', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const ends = await Promise.all(
      FINAL_STATES.flatMap((state) => [state, state, state]).map((state) =>
        change(store, job, { ...END, change: { ...END.change, state } }),
      ),
    );
    t.is(ends.filter((end) => end !== null).length, 1);
    t.deepEqual(await readSeqs(store, job.id), [1, 2]);
  });

  test('a change of a job and its attempt is one: an ended attempt, or an older one, refuses both', async (t) => {
    const store = await create(t);
    await addJob(store);
    const [claimed] = await claim(store);
    if (claimed === undefined) throw new Error('no attempt');
    const { job } = claimed;
    const ended = await change(store, job, {
      change: { state: 'pending', failedAttempts: 1 },
      attempt: { state: 'ended', slotHeld: false, outcome: 'crashed', exitCode: 1, reason: 'boom', stamp: ['endedAt'] },
    });
    if (ended === null) throw new Error('refused');
    t.like((await store.getAttempt(job.id, 1))?.attempt, {
      state: 'ended',
      slotHeld: false,
      outcome: 'crashed',
      exitCode: 1,
      reason: 'boom',
    });
    const seqs = await readSeqs(store, job.id);
    t.is(await change(store, ended, { attempt: { lastEventSeq: 9 } }), null);
    t.deepEqual(await readJob(store, job.id), ended);
    const [second] = await claim(store);
    t.is(second?.attempt.number, 2);
    if (second === undefined) throw new Error('no second attempt');
    t.is(await change(store, { ...second.job, attempt: 1 }, { change: { state: 'success' } }), null);
    t.is(await change(store, { ...second.job, attempt: 3 }, { change: { state: 'success' } }), null);
    t.deepEqual(await readSeqs(store, job.id), [...seqs, seqs.length + 1]);
  });

  test('a cancel between two attempts may find the last attempt ended', async (t) => {
    const store = await create(t);
    await addJob(store);
    const [claimed] = await claim(store);
    if (claimed === undefined) throw new Error('no attempt');
    const waiting = await change(store, claimed.job, { attempt: { state: 'ended', slotHeld: false, outcome: 'lost', stamp: ['endedAt'] } });
    if (waiting === null) throw new Error('refused');
    const params = { ...END, onlyWithoutSlot: true, attempt: { state: 'ended', outcome: 'cancelled' } } as const;
    t.is(await change(store, waiting, params), null);
    t.is((await change(store, waiting, { ...params, attemptMayHaveEnded: true }))?.state, 'success');
    t.is((await store.getAttempt(waiting.id, 1))?.attempt.outcome, 'lost');
  });

  test('a change that wants no slot held is refused while one is', async (t) => {
    const store = await create(t);
    await addJob(store);
    const [claimed] = await claim(store);
    if (claimed === undefined) throw new Error('no attempt');
    t.is(await change(store, claimed.job, { ...END, onlyWithoutSlot: true }), null);
    await store.changeAttempt({ jobId: claimed.job.id, number: 1, from: ['launching'], change: { state: 'waiting', slotHeld: false } });
    t.is((await change(store, claimed.job, { ...END, onlyWithoutSlot: true }))?.state, 'success');
  });

  test('a recorded result gives its event score and metric', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const outbox = [{ type: EVENT_TYPES.succeeded, source: '/kaggle-agent/collector' }];
    const done = await change(store, job, { ...END, change: { ...END.change, progress: PROGRESS, result: RESULT }, outbox });
    t.deepEqual(done?.result, RESULT);
    const rows = await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: job.id });
    t.like(rows.at(-1)?.event.data, { state: 'success', score: 0.25, metric: 'mae' });
  });

  test('a solution is updated while it runs, and never after its end', async (t) => {
    const store = await create(t);
    const job = await addJob(store);
    const first = await change(store, job, { solutions: [makeSolution(2, { state: 'running' }), makeSolution(1)] });
    if (first === null) throw new Error('refused');
    const late = makeSolution(1, { state: 'failed', title: 'late' });
    const twice = [makeSolution(2, { title: 'done' }), makeSolution(2, { title: 'too late' })];
    t.not(await change(store, first, { solutions: [...twice, late] }), null);
    t.deepEqual(await store.listSolutions(job.id), [makeSolution(1), makeSolution(2, { title: 'done' })]);
  });
}
