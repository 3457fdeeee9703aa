import type { TestFn } from 'ava';
import type { FailureCode } from '#core/job.ts';
import { RunnerError } from '#core/ports.ts';
import { isFinished, isRunning, waitFor } from './job-runner-harness.ts';
import type { SetUp } from './job-runner-harness.ts';
import { testListing, testRemoving } from './job-runner-removing.ts';

/** Registers the tests that every job runner must pass. `setUp` registers its own teardown, which checks that nothing is left alive. */
export function testJobRunner(test: TestFn, setUp: SetUp): void {
  testCreating(test, setUp);
  testEnds(test, setUp);
  testRemoving(test, setUp);
  testListing(test, setUp);
}

function testCreating(test: TestFn, setUp: SetUp): void {
  test('create starts a run that carries the labels of its order', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'work-until-stopped' });
    const created = await harness.runner.create(order);
    t.like(created, { jobName: order.jobName, jobId: order.jobId, attempt: order.attempt, specHash: order.specHash, recorded: false });
    const run = await waitFor(harness, order.jobName, isRunning);
    t.like(run, { uid: created.uid, deleting: false, exitCode: null, failure: null, finishedAt: null });
    t.true(run.startedAt instanceof Date);
  });

  test('creating the same run again is success and starts nothing', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'exit', code: 0 });
    const first = await harness.runner.create(order);
    const second = await harness.runner.create(order);
    t.is(second.uid, first.uid);
    const finished = await waitFor(harness, order.jobName, isFinished);
    const third = await harness.runner.create(order);
    t.deepEqual(third, finished);
  });

  test('a name taken by another order is a mismatch', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'exit', code: 0 });
    await harness.runner.create(order);
    for (const other of [
      { ...order, specHash: 'f'.repeat(64) },
      { ...order, attempt: order.attempt + 1 },
    ]) {
      const error = await t.throwsAsync(harness.runner.create(other), { instanceOf: RunnerError });
      t.is(error?.kind, 'mismatch');
    }
  });

  test('a name that no cluster would take is refused', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'exit', code: 0 });
    for (const jobName of ['../escape', 'Upper', '', 'a'.repeat(64), '.hidden']) {
      const error = await t.throwsAsync(harness.runner.create({ ...order, jobName }), { instanceOf: RunnerError });
      t.is(error?.kind, 'refused', jobName);
    }
  });

  test('an unknown run is null, and removing or marking it does nothing', async (t) => {
    const { runner } = await setUp(t);
    t.is(await runner.observe('no-such-run'), null);
    await runner.remove({ jobName: 'no-such-run', uid: 'x' });
    await runner.markRecorded({ jobName: 'no-such-run', uid: 'x' });
    t.is(await runner.observe('no-such-run'), null);
  });
}

function testEnds(test: TestFn, setUp: SetUp): void {
  const ends: readonly (readonly [number, FailureCode | null])[] = [
    [0, null],
    [64, 'bad-input'],
    [69, 'upstream-refused'],
    [75, 'stopped'],
    [76, 'claim-lost'],
    [137, 'out-of-memory'],
    [1, 'crashed'],
    [3, 'crashed'],
  ];
  for (const [code, failure] of ends) {
    test(`exit code ${code} ends the run as ${failure ?? 'succeeded'}`, async (t) => {
      const harness = await setUp(t);
      const order = harness.makeOrder({ does: 'exit', code });
      await harness.runner.create(order);
      const run = await waitFor(harness, order.jobName, isFinished);
      t.like(run, { phase: failure === null ? 'succeeded' : 'failed', failure, exitCode: code, alive: false });
      t.true(run.finishedAt instanceof Date && run.startedAt instanceof Date && run.finishedAt >= run.startedAt);
      t.not(run.reason, '');
    });
  }

  test('a program above its memory limit is killed, and the run says so', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'hog-memory' }, { memoryMib: 128 });
    await harness.runner.create(order);
    const run = await waitFor(harness, order.jobName, isFinished);
    t.like(run, { phase: 'failed', failure: 'out-of-memory', exitCode: 137 });
    t.regex(run.reason, /memory/i);
  });

  test('a program that runs past its deadline is cut off', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'work-until-stopped' }, { activeDeadlineS: 1 });
    await harness.runner.create(order);
    const run = await waitFor(harness, order.jobName, isFinished);
    t.like(run, { phase: 'failed', failure: 'deadline' });
  });

  test('a deadline also ends a program that ignores being asked', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'ignore-stop' }, { activeDeadlineS: 1 });
    await harness.runner.create(order);
    const run = await waitFor(harness, order.jobName, isFinished);
    t.like(run, { phase: 'failed', failure: 'deadline' });
  });

  test('what a program leaves behind does not outlive its run', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'leave-process-behind', code: 0 });
    await harness.runner.create(order);
    const run = await waitFor(harness, order.jobName, isFinished);
    t.is(await harness.countLiving(order.jobName), 0);
    t.like(run, { phase: 'succeeded', exitCode: 0 });
  });
}
