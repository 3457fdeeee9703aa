import type { ExecutionContext } from 'ava';
import test from 'ava';
import { RunnerError } from '#core/ports.ts';
import { isFinished, isRunning, waitFor } from '#test/contract/job-runner-harness.ts';
import { createNamespace, makeOrder, setUpKubernetes, stubSettings } from './_harness.ts';
import type { ClusterNamespace } from './_harness.ts';

// What only a real cluster can say: why a run waits, and how it was taken away.
let made: Promise<ClusterNamespace> | null = null;
const openNamespace = () => (made ??= createNamespace('reasons-test'));

test.after.always('the namespace is removed', async (t) => {
  t.timeout(180_000);
  await (await made)?.remove();
});

const setUp = async (t: ExecutionContext, jobs = stubSettings(), readPods = true) =>
  setUpKubernetes(t, await openNamespace(), { jobs, readPods });

test('an image that can not be pulled is why the run waits', async (t) => {
  const harness = await setUp(t, stubSettings({ image: 'dev.local/no-such-image:1' }));
  const order = harness.makeOrder({ does: 'exit', code: 0 });
  await harness.runner.create(order);
  const run = await waitFor(harness, order.jobName, (each) => each.reason.includes('pulled'));
  t.like(run, { phase: 'waiting', alive: true, failure: null });
  t.regex(run.reason, /^waiting: the image dev\.local\/no-such-image:1 can't be pulled/);
});

test('a pod that no node can take says what is missing', async (t) => {
  const harness = await setUp(t, stubSettings({}, { agentResources: { cpuMillis: 900_000, memoryMib: 64 } }));
  const order = harness.makeOrder({ does: 'exit', code: 0 });
  await harness.runner.create(order);
  const run = await waitFor(harness, order.jobName, (each) => each.reason.includes('node'));
  t.regex(run.reason, /^waiting: no node can take it: .*Insufficient cpu\.$/);
});

test('a secret that is not there is not waited for in silence', async (t) => {
  const harness = await setUp(t, stubSettings({}, { kaggleCredentialsSecret: 'no-such-secret' }));
  const order = harness.makeOrder({ does: 'exit', code: 0 });
  await harness.runner.create(order);
  const run = await waitFor(harness, order.jobName, (each) => each.reason.includes('volumes'));
  t.like(run, { phase: 'waiting', alive: true });
});

test('a sidecar that ends at once is told, with its exit code, whether the agent beside it has started or not', async (t) => {
  const runnerCommand = ['/bin/sh', '-c', 'echo the sandbox is broken >&2; exit 3'];
  const harness = await setUp(t, stubSettings({ runnerCommand }));
  // It counts as started for the moment that it runs: the kubelet may have started the agent by then.
  const order = harness.makeOrder({ does: 'work-until-stopped' });
  await harness.runner.create(order);
  const run = await waitFor(harness, order.jobName, (each) => each.reason.includes('runner of solutions'));
  const notStarted = 'waiting: the runner of solutions does not start, it ended with exit code 3 \\d+ times: the sandbox is broken';
  const restarted = 'running; the runner of solutions ended with exit code 3 and was restarted \\d+ times';
  t.regex(run.reason, new RegExp(`^(${notStarted}|${restarted})$`));
});

test('a pod that is evicted is a disruption, and the Job keeps that', async (t) => {
  const harness = await setUp(t);
  const { api, name: namespace } = await openNamespace();
  const order = harness.makeOrder({ does: 'work-until-stopped' });
  await harness.runner.create(order);
  const { podName } = await waitFor(harness, order.jobName, isRunning);
  await api.core.createNamespacedPodEviction({ name: podName ?? '', namespace, body: { metadata: { name: podName ?? '' } } });
  const run = await waitFor(harness, order.jobName, isFinished);
  t.like(run, { phase: 'failed', failure: 'evicted', alive: false });
  t.regex(run.reason, /^evicted/);
});

test('a pod that a person deletes ends its run, and its slot is free only when it is gone', async (t) => {
  const harness = await setUp(t);
  const { api, name: namespace } = await openNamespace();
  const order = harness.makeOrder({ does: 'save-when-stopped' });
  await harness.runner.create(order);
  const started = await waitFor(harness, order.jobName, isRunning);
  await harness.waitReady(started);
  await api.core.deleteNamespacedPod({ name: started.podName ?? '', namespace });
  const run = await waitFor(harness, order.jobName, isFinished);
  t.like(run, { phase: 'failed', failure: 'stopped', exitCode: 75 });
  t.is(await harness.countLiving(order.jobName), 0);
});

test('a launcher without the right to pods sees a run start and end, with its class', async (t) => {
  const harness = await setUp(t, stubSettings(), false);
  const order = harness.makeOrder({ does: 'exit', code: 64 });
  t.like(await harness.runner.create(order), { phase: 'waiting', alive: true, reason: 'waiting: its pod is being started' });
  const run = await waitFor(harness, order.jobName, isFinished);
  t.like(run, { phase: 'failed', failure: 'bad-input', exitCode: 64 });
  t.is(await harness.countLiving(order.jobName), 0);
});

test('a used-up quota is busy, and says so', async (t) => {
  const namespace = await createNamespace('quota-test');
  t.teardown(() => namespace.remove());
  await namespace.api.core.createNamespacedResourceQuota({
    namespace: namespace.name,
    body: { metadata: { name: 'live' }, spec: { hard: { 'count/jobs.batch': '0' } } },
  });
  const { runner } = await setUpKubernetes(t, namespace);
  const error = await t.throwsAsync(runner.create(makeOrder({ does: 'exit', code: 0 })), { instanceOf: RunnerError });
  t.is(error?.kind, 'busy', error?.message);
  t.regex(error?.message ?? '', /quota of namespace/);
});
