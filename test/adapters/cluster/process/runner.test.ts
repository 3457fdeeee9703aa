import { cp, mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import { EVENT_TYPES, ObjectReference } from '#core/events.ts';
import { RunnerError } from '#core/ports.ts';
import type { RunObservation } from '#core/ports.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { listProcessesOf, listSupervisorsOf, setUpProcesses, waitForRun } from './_harness.ts';
import type { ProcessHarness } from './_harness.ts';

const isEnded = (run: RunObservation) => run.phase === 'succeeded' || run.phase === 'failed';
const isRunning = (run: RunObservation) => run.phase === 'running';

async function stopSupervisor(harness: ProcessHarness, jobName: string): Promise<void> {
  const pids = await listSupervisorsOf(join(harness.dir, jobName));
  if (pids.length !== 1) throw new Error(`expected one supervisor, found ${pids.length}`);
  for (const pid of pids) process.kill(pid, 'SIGTERM');
}

test('a program sees the environment of its command and no other, a closed input, and its token as a private file', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('tell.mjs');
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, isEnded);
  const folder = join(harness.dir, order.jobName);
  const told: { env: Record<string, string>; argv: string[]; input: string; token: string; cwd: string } = JSON.parse(
    await readFile(join(folder, 'work', 'told.json'), 'utf8'),
  );
  t.deepEqual(Object.keys(told.env).sort(), ['KAGGLE_AGENT_RUN_UID', 'KAGGLE_AGENT_TOKEN_FILE', 'PATH', 'TOY']);
  t.like(told, { input: '', token: order.token, cwd: join(folder, 'work') });
  t.false(JSON.stringify([told.argv, told.env]).includes(order.token));
});

test('the token is readable by its owner only, and gone when the run has ended', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('stop-well.sh');
  await harness.runner.create(order);
  const run = await waitForRun(harness.runner, order.jobName, isRunning);
  const tokenFile = join(harness.dir, order.jobName, 'token');
  t.is((await stat(tokenFile)).mode & 0o777, 0o600);
  t.is((await stat(join(harness.dir, order.jobName))).mode & 0o777, 0o700);
  for (const name of await readdir(join(harness.dir, order.jobName))) {
    if (name === 'token' || name === 'work') continue;
    t.false((await readFile(join(harness.dir, order.jobName, name), 'utf8')).includes(order.token), name);
  }
  await harness.waitReady(run);
  await stopSupervisor(harness, order.jobName);
  await waitForRun(harness.runner, order.jobName, isEnded);
  await t.throwsAsync(stat(tokenFile), { code: 'ENOENT' });
});

test('output is kept up to its limit, the newest first of all', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('loud.sh', ['20000']);
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, (run) => run.phase === 'succeeded');
  const folder = join(harness.dir, order.jobName);
  const sizes = await Promise.all(['stdout.log', 'stdout.log.1'].map(async (name) => (await stat(join(folder, name))).size));
  t.true(sizes.reduce((total, size) => total + size, 0) <= harness.options.limits.outputBytes);
  t.true((await readFile(join(folder, 'stdout.log'), 'utf8')).endsWith('the last line\n'));
  t.is(await readFile(join(folder, 'stderr.log'), 'utf8'), 'the last line\n');
});

test('hints name the run as ApiServerSource would, and say when it came, ended and went', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('stop-well.sh');
  const { uid } = await harness.runner.create(order);
  await waitUntil('the run to be said', () => harness.hints.length > 0);
  await harness.waitReady(await waitForRun(harness.runner, order.jobName, isRunning));
  await stopSupervisor(harness, order.jobName);
  await waitUntil('the end to be said', () => harness.hints.at(-1)?.type === EVENT_TYPES.clusterUpdated);
  await waitForRun(harness.runner, order.jobName, isEnded);
  await harness.runner.remove({ jobName: order.jobName, uid });
  await waitUntil('the deletion to be said', () => harness.hints.some((hint) => hint.type === EVENT_TYPES.clusterDeleted));
  t.is(harness.hints[0]?.type, EVENT_TYPES.clusterAdded);
  const reference = { apiVersion: 'batch/v1', kind: 'Job', name: order.jobName, namespace: 'local' };
  for (const hint of harness.hints) {
    t.deepEqual(ObjectReference.parse(hint.data), reference);
    t.is(hint.source, 'https://local-cluster');
    t.is(hint.subject, `/apis/batch/v1/namespaces/local/jobs/${order.jobName}`);
    t.deepEqual(hint.extensions, { apiversion: 'batch/v1', kind: 'Job', name: order.jobName, namespace: 'local' });
  }
  t.is(new Set(harness.hints.map((hint) => hint.id)).size, harness.hints.length);
});

test('the memory of all processes of a run counts together', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('hog-in-children.mjs', [], { memoryMib: 300 });
  await harness.runner.create(order);
  const run = await waitForRun(harness.runner, order.jobName, isEnded);
  t.like(run, { failure: 'out-of-memory', exitCode: 137 });
  t.regex(run.reason, /limit 316 MiB/);
});

test('a spec that is not one of ours is refused before anything is made', async (t) => {
  const harness = await setUpProcesses(t);
  const order = { ...harness.orderScript('exit.sh'), spec: { schemaVersion: 2 } };
  const error = await t.throwsAsync(harness.runner.create(order), { instanceOf: RunnerError });
  t.is(error?.kind, 'refused');
  t.is(await harness.runner.observe(order.jobName), null);
});

test('a recorded run is forgotten after its time to live, an unrecorded one is not', async (t) => {
  const harness = await setUpProcesses(t);
  const orders = [harness.orderScript('exit.sh', ['0']), harness.orderScript('exit.sh', ['0'])] as const;
  for (const order of orders) {
    const { uid } = await harness.runner.create(order);
    await waitForRun(harness.runner, order.jobName, isEnded);
    if (order === orders[0]) await harness.runner.markRecorded({ jobName: order.jobName, uid });
  }
  t.is((await harness.runner.list({ cursor: null, limit: 10 })).items.length, 2);
  const longAgo = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(harness.dir, orders[0].jobName, 'recorded'), longAgo, longAgo);
  const { items } = await harness.runner.list({ cursor: null, limit: 10 });
  t.deepEqual(
    items.map((run) => run.jobName),
    [orders[1].jobName],
  );
});

test('two hundred runs are listed in pages, each once', async (t) => {
  const harness = await setUpProcesses(t);
  const real = harness.orderScript('exit.sh', ['0']);
  await harness.runner.create(real);
  await waitForRun(harness.runner, real.jobName, isEnded);
  // The others are what the first has left, under other names: two hundred programs would only measure the machine.
  const folder = join(harness.dir, real.jobName);
  const order: object = JSON.parse(await readFile(join(folder, 'order.json'), 'utf8'));
  const copies = Array.from({ length: 199 }, (_none, number) => `copy-${String(number).padStart(3, '0')}`);
  for (const jobName of copies) {
    await cp(folder, join(harness.dir, jobName), { recursive: true });
    await writeFile(join(harness.dir, jobName, 'order.json'), JSON.stringify({ ...order, jobName }));
  }
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const page: { items: RunObservation[]; cursor: string | null } = await harness.runner.list({ cursor, limit: 60 });
    names.push(...page.items.map((run) => run.jobName));
    cursor = page.cursor;
  } while (cursor !== null);
  t.deepEqual(names, [...copies, real.jobName].sort());
});

test('two runners on one directory see the same runs', async (t) => {
  const harness = await setUpProcesses(t);
  const other = createProcessRunner({ ...harness.options, onChange: () => undefined });
  t.teardown(() => other.close());
  const order = harness.orderScript('endless.sh');
  const created = await harness.runner.create(order);
  t.is((await other.create(order)).uid, created.uid);
  await waitForRun(other, order.jobName, isRunning);
  await other.remove({ jobName: order.jobName, uid: created.uid });
  await waitUntil('the run to be gone', async () => (await harness.runner.observe(order.jobName)) === null);
  t.is((await other.list({ cursor: null, limit: 10 })).items.length, 0);
});

test('the next supervisor waits ready, without a run, and ends with its runner', async (t) => {
  const harness = await setUpProcesses(t);
  const spareDir = join(harness.dir, '.supervisors');
  const listSpares = async () => (await listProcessesOf(spareDir)).filter((pid) => pid !== process.pid);
  await waitUntil('a spare', async () => (await listSpares()).length === 1);
  const [spare] = await listSpares();
  const order = harness.orderScript('stop-well.sh');
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, isRunning);
  t.deepEqual(await listSupervisorsOf(join(harness.dir, order.jobName)), [spare]);
  await stopSupervisor(harness, order.jobName);
  await waitForRun(harness.runner, order.jobName, isEnded);
  await waitUntil('another spare', async () => (await listSpares()).some((pid) => pid !== spare));
  await harness.runner.close();
  await waitUntil('none', async () => (await listSpares()).length === 0);
});

test('a spare that was killed is not missed', async (t) => {
  const harness = await setUpProcesses(t);
  const spareDir = join(harness.dir, '.supervisors');
  await waitUntil('a spare', async () => (await listProcessesOf(spareDir)).length === 1);
  for (const pid of await listProcessesOf(spareDir)) process.kill(pid, 'SIGKILL');
  const order = harness.orderScript('exit.sh', ['0']);
  await harness.runner.create(order);
  t.like(await waitForRun(harness.runner, order.jobName, isEnded), { phase: 'succeeded' });
});

test('a machine with no place for a spare refuses a run for now, and nothing else happens', async (t) => {
  const harness = await setUpProcesses(t);
  const spareDir = join(harness.dir, '.supervisors');
  await waitUntil('a spare', async () => (await listProcessesOf(spareDir)).length === 1);
  // A file in its place: Node, which starts meanwhile, makes the folder of its compile cache anew.
  await rename(spareDir, `${spareDir}.gone`);
  await writeFile(spareDir, '');
  const first = harness.orderScript('exit.sh', ['0']);
  await harness.runner.create(first);
  // Longer than the pause before the next spare, whose start fails meanwhile.
  await waitForRun(harness.runner, first.jobName, isEnded);
  const second = harness.orderScript('exit.sh', ['0']);
  await waitUntil('the runner to be out of supervisors', async () => (await listProcessesOf(spareDir)).length === 0);
  await t.throwsAsync(harness.runner.create(second), { instanceOf: RunnerError, message: /the machine could not take/ });
  await rm(spareDir);
  await mkdir(spareDir);
  await harness.runner.create(second);
  t.like(await waitForRun(harness.runner, second.jobName, isEnded), { phase: 'succeeded' });
});
