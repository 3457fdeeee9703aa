import type { TestFn } from 'ava';
import type { JobRunner, RunObservation } from '#core/ports.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { isFinished, isRunning, waitFor, waitGone } from './job-runner-harness.ts';
import type { SetUp } from './job-runner-harness.ts';

/** Registers the tests of deleting runs. */
export function testRemoving(test: TestFn, setUp: SetUp): void {
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

/** Registers the tests of listing and marking runs, and of describing nodes. */
export function testListing(test: TestFn, setUp: SetUp): void {
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
