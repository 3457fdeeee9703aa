import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import { identifyProcess, isAlive } from '#adapters/cluster/process/proc.ts';
import type { RunObservation } from '#core/ports.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { listSupervisorsOf, setUpProcesses, startPlane, waitForRun } from './_harness.ts';
import type { ProcessHarness } from './_harness.ts';

const isRunning = (run: RunObservation) => run.phase === 'running';
const isFailed = (run: RunObservation) => run.phase === 'failed';

interface StateFile {
  supervisor: { pid: number; startTicks: number; bootId: string };
  child: { pid: number; startTicks: number; bootId: string };
}

async function readState(harness: ProcessHarness, jobName: string): Promise<StateFile> {
  const state: StateFile = JSON.parse(await readFile(join(harness.dir, jobName, 'state.json'), 'utf8'));
  return state;
}

/** How often the program of count-start.sh was started. */
async function countStarts(harness: ProcessHarness, jobName: string): Promise<number> {
  const text = await readFile(join(harness.dir, jobName, 'work', 'starts'), 'utf8').catch(() => '');
  return text.split('\n').length - 1;
}

test('a supervisor killed with SIGKILL makes the run lost, and nothing of it is left', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('ignore-term.sh');
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, isRunning);
  const { supervisor, child } = await readState(harness, order.jobName);
  process.kill(supervisor.pid, 'SIGKILL');
  const run = await waitForRun(harness.runner, order.jobName, isFailed);
  t.like(run, { failure: 'lost', alive: false, exitCode: null });
  t.false(isAlive(child));
});

test('a process that left session and parent is found when its supervisor was killed', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('leave-and-stay.sh');
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, isRunning);
  const pidFile = join(harness.dir, order.jobName, 'work', 'left-behind.pid');
  const left = await waitUntil('the left process', () =>
    readFile(pidFile, 'utf8')
      .then(Number, () => 0)
      .then((pid) => pid > 0 && pid),
  );
  const leftIdentity = await waitUntil('the left process', () => identifyProcess(left));
  const { supervisor, child } = await readState(harness, order.jobName);
  process.kill(supervisor.pid, 'SIGKILL');
  process.kill(child.pid, 'SIGKILL');
  t.true(isAlive(leftIdentity));
  await waitForRun(harness.runner, order.jobName, isFailed);
  t.false(isAlive(leftIdentity));
});

test('a killed supervisor is noticed without anyone asking', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('endless.sh');
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, isRunning);
  process.kill((await readState(harness, order.jobName)).supervisor.pid, 'SIGKILL');
  const stateFile = join(harness.dir, order.jobName, 'state.json');
  await waitUntil('the end to be written', async () => (await readFile(stateFile, 'utf8')).includes('"cause":"lost"'));
  await waitUntil('a hint', () => harness.hints.at(-1)?.type === 'dev.knative.apiserver.ref.update');
  t.pass();
});

test('a state from before a restart of the machine is lost, whatever has its process numbers now', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('exit.sh', ['0']);
  const { uid } = await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, (run) => run.phase === 'succeeded');
  // This very process has the number and start time of the old child; only the boot tells them apart.
  const own = await readState(harness, order.jobName);
  const stat = await readFile('/proc/self/stat', 'utf8');
  const startTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const old = { pid: process.pid, startTicks, bootId: 'another boot' };
  const state = { ...own, uid, phase: 'running', supervisor: old, child: old, exitCode: null, finishedAt: null };
  await writeFile(join(harness.dir, order.jobName, 'state.json'), JSON.stringify(state));
  t.like(await harness.runner.observe(order.jobName), { phase: 'failed', failure: 'lost', alive: false });
});

test('a state file eaten by a power cut is lost, not an error', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('exit.sh', ['0']);
  await harness.runner.create(order);
  await waitForRun(harness.runner, order.jobName, (run) => run.phase === 'succeeded');
  await writeFile(join(harness.dir, order.jobName, 'state.json'), '');
  t.like(await harness.runner.observe(order.jobName), { phase: 'failed', failure: 'lost' });
});

test('a damaged order hides no other run', async (t) => {
  const harness = await setUpProcesses(t);
  const orders = [harness.orderScript('exit.sh', ['0']), harness.orderScript('exit.sh', ['0'])] as const;
  for (const order of orders) await harness.runner.create(order);
  for (const order of orders) await waitForRun(harness.runner, order.jobName, (run) => run.phase === 'succeeded');
  await writeFile(join(harness.dir, orders[0].jobName, 'order.json'), '{');
  const { items } = await harness.runner.list({ cursor: null, limit: 10 });
  t.deepEqual(
    items.map((run) => run.jobName),
    [orders[1].jobName],
  );
  await rm(join(harness.dir, orders[0].jobName), { recursive: true });
});

test('a program that does not exist cannot start', async (t) => {
  const harness = await setUpProcesses(t, { command: () => ({ file: '/no/such/program', args: [], env: {} }) });
  const order = harness.orderScript('exit.sh', ['0']);
  await harness.runner.create(order);
  const run = await waitForRun(harness.runner, order.jobName, isFailed);
  t.like(run, { failure: 'cannot-start', alive: false, exitCode: null });
  t.regex(run.reason, /could not be started.*ENOENT/);
});

test('runs survive kill -9 of the control plane, and the next one sees how they end', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('stop-well.sh');
  const plane = await startPlane(t, harness.dir, order, 'stay');
  plane.go();
  await plane.waitFor(order.jobName);
  const before = await waitForRun(harness.runner, order.jobName, isRunning);
  await plane.kill();
  const { supervisor } = await readState(harness, order.jobName);
  t.true(isAlive(supervisor));
  const after = createProcessRunner({ ...harness.options, onChange: () => undefined });
  t.teardown(() => after.close());
  t.like(await after.observe(order.jobName), { uid: before.uid, phase: 'running', alive: true });
  await harness.waitReady(before);
  process.kill(supervisor.pid, 'SIGTERM');
  t.like(await waitForRun(after, order.jobName, isFailed), { failure: 'stopped', exitCode: 75 });
});

test('close leaves runs alive, and a runner opened later says what ended meanwhile', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('stop-well.sh');
  await harness.runner.create(order);
  const run = await waitForRun(harness.runner, order.jobName, isRunning);
  await harness.waitReady(run);
  await harness.runner.close();
  const { supervisor } = await readState(harness, order.jobName);
  t.true(isAlive(supervisor));
  process.kill(supervisor.pid, 'SIGTERM');
  await waitUntil('the supervisor to end', () => !isAlive(supervisor));
  const subjects: string[] = [];
  const later = createProcessRunner({ ...harness.options, onChange: (event) => subjects.push(event.subject) });
  t.teardown(() => later.close());
  await waitUntil('the hint', () => subjects.some((subject) => subject.endsWith(`/${order.jobName}`)));
  t.like(await later.observe(order.jobName), { phase: 'failed', failure: 'stopped' });
});

for (const mode of ['die-before-start', 'die-after-start'] as const) {
  test(`a control plane that would ${mode} loses nothing: creating again starts the run once`, async (t) => {
    const harness = await setUpProcesses(t);
    const order = harness.orderScript('count-start.sh', ['starts']);
    const plane = await startPlane(t, harness.dir, order, mode);
    plane.go();
    await plane.waitDead();
    const found = await harness.runner.observe(order.jobName);
    if (found === null) return void t.fail('the order is lost');
    const again = await harness.runner.create(order);
    t.is(again.uid, found.uid);
    await waitForRun(harness.runner, order.jobName, isRunning);
    await waitUntil('the program to say so', async () => (await countStarts(harness, order.jobName)) > 0);
    t.is(await countStarts(harness, order.jobName), 1);
  });
}

test('a run whose creator died is started by whoever looks, once it is old enough', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('count-start.sh', ['starts']);
  const plane = await startPlane(t, harness.dir, order, 'die-before-start');
  plane.go();
  await plane.waitDead();
  // The token is written just before the command is asked for: its age is how long the run has been waiting.
  const tokenFile = join(harness.dir, order.jobName, 'token');
  const soon = new Date(Date.now() + 3_600_000);
  await utimes(tokenFile, soon, soon);
  t.like(await harness.runner.observe(order.jobName), { phase: 'waiting' });
  t.is((await listSupervisorsOf(join(harness.dir, order.jobName))).length, 0);
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(tokenFile, longAgo, longAgo);
  await waitForRun(harness.runner, order.jobName, isRunning);
  await waitUntil('the program to say so', async () => (await countStarts(harness, order.jobName)) === 1);
  t.pass();
});

test('a control plane killed at any moment of create leaves a run that starts once', async (t) => {
  const harness = await setUpProcesses(t);
  for (const delayMs of [0, 1, 2, 4, 8, 16, 32, 64]) {
    const order = harness.orderScript('count-start.sh', ['starts']);
    const plane = await startPlane(t, harness.dir, order, 'stay');
    plane.go();
    await plane.waitFor('creating');
    // The moment is the subject of this test, not a wait for something.
    await pause(delayMs);
    await plane.kill();
    await harness.runner.create(order);
    await waitForRun(harness.runner, order.jobName, isRunning);
    await waitUntil('the program to say so', async () => (await countStarts(harness, order.jobName)) > 0);
    t.is(await countStarts(harness, order.jobName), 1, `killed after ${delayMs} ms`);
  }
});

test('eight control planes that create the same run at once start it once', async (t) => {
  const harness = await setUpProcesses(t);
  const order = harness.orderScript('count-start.sh', ['starts']);
  const planes = await Promise.all(Array.from({ length: 8 }, () => startPlane(t, harness.dir, order, 'stay')));
  for (const plane of planes) plane.go();
  await Promise.all(planes.map((plane) => plane.waitFor(order.jobName)));
  await waitForRun(harness.runner, order.jobName, isRunning);
  await waitUntil('one supervisor', async () => (await listSupervisorsOf(join(harness.dir, order.jobName))).length === 1);
  await waitUntil('the program to say so', async () => (await countStarts(harness, order.jobName)) > 0);
  t.is(await countStarts(harness, order.jobName), 1);
});
