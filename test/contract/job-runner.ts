import type { ExecutionContext, TestFn } from 'ava';
import { RunnerError } from '#core/ports.ts';
import type { JobRunner, RunObservation, RunOrder } from '#core/ports.ts';
import type { FailureCode } from '#core/job.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

/** What a toy program does; each implementation's harness knows how to run it. */
export type ToyAgent =
  | { readonly does: 'exit'; readonly code: number }
  | { readonly does: 'work-until-stopped' }
  | { readonly does: 'save-when-stopped' }
  | { readonly does: 'finish-when-stopped' }
  | { readonly does: 'ignore-stop' }
  | { readonly does: 'hog-memory' }
  | { readonly does: 'leave-process-behind'; readonly code: number };

/** One cluster under test. */
export interface JobRunnerHarness {
  readonly runner: JobRunner;
  /** An order, under a name of its own, whose run is the toy program. */
  makeOrder(agent: ToyAgent, limits?: { readonly memoryMib?: number; readonly activeDeadlineS?: number }): RunOrder;
  /** Resolves when the program of a running run has said that it is ready to be stopped. */
  waitReady(run: RunObservation): Promise<void>;
  /** How many processes or pods of the run live at this moment, whatever the runner says. */
  countLiving(jobName: string): Promise<number>;
  /** How long anything may take here. */
  readonly patienceMs: number;
}

/** Registers the tests that every job runner must pass. `setUp` registers its own teardown, which checks that nothing is left alive. */
export function testJobRunner(test: TestFn, setUp: (t: ExecutionContext) => Promise<JobRunnerHarness>): void {
  testCreating(test, setUp);
  testEnds(test, setUp);
  testRemoving(test, setUp);
  testListing(test, setUp);
}

type SetUp = (t: ExecutionContext) => Promise<JobRunnerHarness>;

function waitFor(harness: JobRunnerHarness, jobName: string, wanted: (run: RunObservation) => boolean): Promise<RunObservation> {
  const ask = async () => {
    const run = await harness.runner.observe(jobName);
    return run !== null && wanted(run) ? run : null;
  };
  return waitUntil(`the wanted state of ${jobName}`, ask, harness.patienceMs);
}

const isFinished = (run: RunObservation) => (run.phase === 'succeeded' || run.phase === 'failed') && !run.alive;
const isRunning = (run: RunObservation) => run.phase === 'running' && run.alive;

async function waitGone(harness: JobRunnerHarness, jobName: string): Promise<void> {
  await waitUntil(`${jobName} to be gone`, async () => (await harness.runner.observe(jobName)) === null, harness.patienceMs);
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

function testRemoving(test: TestFn, setUp: SetUp): void {
  for (const does of ['work-until-stopped', 'save-when-stopped', 'finish-when-stopped', 'ignore-stop'] as const) {
    test(`removing a run whose program would ${does} leaves nothing`, async (t) => {
      const harness = await setUp(t);
      const order = harness.makeOrder({ does });
      await harness.runner.create(order);
      const run = await waitFor(harness, order.jobName, isRunning);
      await harness.waitReady(run);
      await harness.runner.remove({ jobName: order.jobName, uid: run.uid });
      const now = await harness.runner.observe(order.jobName);
      t.true(now === null || now.deleting);
      await waitGone(harness, order.jobName);
    });
  }

  test('a run being removed is shown as deleting for as long as anything of it lives', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'ignore-stop' });
    await harness.runner.create(order);
    const run = await waitFor(harness, order.jobName, isRunning);
    await harness.waitReady(run);
    await harness.runner.remove({ jobName: order.jobName, uid: run.uid });
    await harness.runner.remove({ jobName: order.jobName, uid: run.uid });
    let living = -1;
    const isGone = async () => {
      const now = await harness.runner.observe(order.jobName);
      if (now === null) living = await harness.countLiving(order.jobName);
      else t.like(now, { uid: run.uid, deleting: true });
      return now === null;
    };
    await waitUntil('the run to be gone', isGone, harness.patienceMs);
    t.is(living, 0);
  });

  test('a run that has just been created can be removed, and its name used again', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'work-until-stopped' });
    const first = await harness.runner.create(order);
    await harness.runner.remove({ jobName: order.jobName, uid: first.uid });
    await waitGone(harness, order.jobName);
    const second = await harness.runner.create(order);
    t.not(second.uid, first.uid);
    await waitFor(harness, order.jobName, isRunning);
  });

  test('a finished run can be removed', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'exit', code: 1 });
    const { uid } = await harness.runner.create(order);
    await waitFor(harness, order.jobName, isFinished);
    await harness.runner.remove({ jobName: order.jobName, uid });
    await waitGone(harness, order.jobName);
    t.pass();
  });

  test('removing with the uid of another run of that name does nothing', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'work-until-stopped' });
    await harness.runner.create(order);
    const run = await waitFor(harness, order.jobName, isRunning);
    await harness.runner.remove({ jobName: order.jobName, uid: '00000000-0000-4000-8000-000000000000' });
    t.like(await harness.runner.observe(order.jobName), { uid: run.uid, deleting: false, alive: true });
  });
}

function testListing(test: TestFn, setUp: SetUp): void {
  test('list shows every run once, page by page', async (t) => {
    const harness = await setUp(t);
    const orders = Array.from({ length: 5 }, () => harness.makeOrder({ does: 'exit', code: 0 }));
    for (const order of orders) await harness.runner.create(order);
    for (const order of orders) await waitFor(harness, order.jobName, isFinished);
    const seen: RunObservation[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<JobRunner['list']>> = await harness.runner.list({ cursor, limit: 2 });
      t.true(page.items.length <= 2);
      seen.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== null);
    const ours = orders.map((order) => order.jobName);
    t.deepEqual(
      seen
        .map((run) => run.jobName)
        .filter((name) => ours.includes(name))
        .sort(),
      ours.sort(),
    );
    for (const name of ours)
      t.deepEqual(
        seen.find((run) => run.jobName === name),
        (await harness.runner.observe(name)) ?? undefined,
      );
  });

  test('a recorded run says so, and only with its own uid', async (t) => {
    const harness = await setUp(t);
    const order = harness.makeOrder({ does: 'exit', code: 0 });
    const { uid } = await harness.runner.create(order);
    await waitFor(harness, order.jobName, isFinished);
    await harness.runner.markRecorded({ jobName: order.jobName, uid: '00000000-0000-4000-8000-000000000000' });
    t.false((await harness.runner.observe(order.jobName))?.recorded);
    await harness.runner.markRecorded({ jobName: order.jobName, uid });
    await harness.runner.markRecorded({ jobName: order.jobName, uid });
    t.true((await harness.runner.observe(order.jobName))?.recorded);
  });

  test('nodes are described in quantities, or not at all', async (t) => {
    const { runner } = await setUp(t);
    const nodes = await runner.describeNodes();
    for (const node of nodes ?? []) {
      t.not(node.name, '');
      t.regex(node.capacity['cpu'] ?? '', /^\d+m?$/);
      t.regex(node.capacity['memory'] ?? '', /^\d+(Ki|Mi|Gi)?$/);
    }
    t.true(nodes === null || nodes.length > 0);
  });
}
