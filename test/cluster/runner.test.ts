import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import test from 'ava';
import { z } from 'zod';
import { buildBundles } from '../../scripts/images/bundle.ts';
import { LABELS } from '#adapters/cluster/kubernetes/labels.ts';
import { RUNNER_COMMAND } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { isFinished, waitFor } from '#test/contract/job-runner-harness.ts';
import { createNamespace, requireSetting, setUpKubernetes, stubSettings } from './_harness.ts';

// The pod of an attempt as the product builds it, with the real image: only the agent's own program is replaced, by one that has a probe run.
const PROJECT_DIR = resolve(import.meta.dirname, '../..');
const PROBE = join(PROJECT_DIR, 'test/agent/runner/probe.py');
const ALLOWED_NAMES = /^(HOME|LANG|LC_CTYPE|\w+_NUM_THREADS|OLDPWD|PWD|PYTHONDONTWRITEBYTECODE|SHLVL|TMPDIR|_)$/;
const Report = z.object({
  tier: z.string(),
  outcome: z.looseObject({ exitClass: z.string(), tail: z.string() }),
  found: z.record(z.string(), z.unknown()).nullable(),
});

const START = "eval(require('node:zlib').brotliDecompressSync(Buffer.from(process.argv[1], 'base64')).toString())";

/** The client's program, packed: one argument of a command line may have 128 KiB. */
async function packClient(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'probe-client-'));
  try {
    await buildBundles(PROJECT_DIR, [{ name: 'probe-client', source: 'test/cluster/image/probe-client.ts' }], folder);
    return brotliCompressSync(await readFile(join(folder, 'probe-client.cjs'))).toString('base64');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a solution in the runner container of the real image: no token, no secret, no network, nothing of the agent', async (t) => {
  const namespace = await createNamespace('probe-test');
  t.teardown(() => namespace.remove());
  const canary = `canary-${randomUUID()}`;
  await namespace.api.core.createNamespacedSecret({
    namespace: namespace.name,
    body: { metadata: { name: 'kaggle-credentials' }, stringData: { 'credentials.json': JSON.stringify({ token: canary }) } },
  });
  const agentCommand = ['/usr/local/bin/node', '-e', START, await packClient(), await readFile(PROBE, 'utf8'), canary];
  const pod = { kaggleCredentialsSecret: 'kaggle-credentials', agentResources: { cpuMillis: 100, memoryMib: 256 } };
  const jobs = stubSettings({ image: requireSetting('KAGGLE_AGENT_TEST_REAL_IMAGE'), agentCommand, runnerCommand: RUNNER_COMMAND }, pod);
  const harness = await setUpKubernetes(t, namespace, { jobs });
  const order = harness.makeOrder({ does: 'exit', code: 0 }, { memoryMib: 512 });
  await harness.runner.create(order);
  const run = await waitFor(harness, order.jobName, isFinished);
  const { items } = await namespace.api.core.listNamespacedPod({
    namespace: namespace.name,
    labelSelector: `${LABELS.ownerName}=${order.jobName}`,
  });
  const log = await namespace.api.core.readNamespacedPodLog({
    name: items[0]?.metadata?.name ?? '',
    namespace: namespace.name,
    container: 'agent',
  });
  t.is(run.phase, 'succeeded', `${run.reason}\n${log}`);
  const line = log.split('\n').find((each) => each.startsWith('PROBE ')) ?? 'PROBE null';
  const { tier, outcome, found } = Report.parse(JSON.parse(line.slice('PROBE '.length)));
  t.is(tier, 'isolated');
  t.is(outcome.exitClass, 'ok', outcome.tail);
  const { environment, descriptors, suid, ...rest } = found ?? {};
  t.deepEqual(
    (environment as string[]).filter((name) => !ALLOWED_NAMES.test(name)),
    [],
  );
  t.deepEqual(descriptors, []);
  t.deepEqual(rest['other processes read'], []);
  t.true(rest['no new privileges']);
  t.not(suid, 0);
  const tries = Object.entries(rest).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[0] !== 'socketpair',
  );
  t.true(tries.length > 55, `${tries.length} tries`);
  const open = tries.filter(([name, result]) => name !== 'a set-user-id program' && !/^(refused|absent): /.test(result));
  t.deepEqual(open, []);
  const network = ['TCP', 'UDP', 'TCP6', 'RAW', 'UNIX', 'metadata server', 'name server'];
  t.log(
    [...network, 'read /var/run/secrets/kubernetes.io/serviceaccount/token'].map((name) => `${name}: ${String(rest[name])}`).join('; '),
  );
  for (const secret of [canary, order.token]) t.false(JSON.stringify({ outcome, found }).includes(secret), 'a secret came out');
});
