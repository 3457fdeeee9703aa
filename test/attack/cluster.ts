import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { AttackResult } from './programs-suite.ts';
import { LABELS } from '#adapters/cluster/kubernetes/labels.ts';
import { RUNNER_COMMAND } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { buildBundles } from '../../scripts/images/bundle.ts';
import { createKubernetesRunner } from '#adapters/cluster/kubernetes/runner.ts';
import { createNamespace, makeOrder, requireSetting, stubSettings } from '../cluster/_harness.ts';
import type { ClusterNamespace } from '../cluster/_harness.ts';
import { kubectl } from '../cluster/_kubectl.ts';
import { waitUntil } from '../_support/wait-until.ts';
import { CANARY_PREFIX, POD_RESULTS } from './place.ts';
import { DAEMON_WORD } from './endings.ts';

const PROJECT_DIR = resolve(import.meta.dirname, '../..');
/** In the agent's place: waits for the client's files, which are too long for a command line, then becomes it. */
const START = `const fs = require('node:fs'), dir = process.env.KAGGLE_AGENT_WORK_DIR;
console.log('waiting');
const timer = setInterval(() => {
  if (!fs.existsSync(dir + '/ready')) return;
  clearInterval(timer);
  process.argv[2] = dir + '/programs.json';
  require(dir + '/client.cjs');
}, 100);`;
const RECEIVE = "process.stdin.pipe(require('node:fs').createWriteStream(process.env.KAGGLE_AGENT_WORK_DIR + '/' + process.argv[1]))";
const PATIENCE_MS = 600_000;
/** A run may write a quarter of the volume; small, so that the attack on it is quick. */
const SCRATCH_MIB = 400;

/** Lists the arguments of every process of the runner's container. */
const LIST_PROCESSES = `const fs = require('node:fs');
for (const pid of fs.readdirSync('/proc')) if (/^\\d+$/.test(pid)) try { console.log(fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8')) } catch {}`;

const Report = z.object({
  tier: z.string(),
  layers: z.array(z.string()),
  results: z.array(z.object({ attack: z.string(), through: z.boolean(), stoppedBy: z.string(), ms: z.number() })),
});

/** What the attacks came to inside a pod. */
export interface PodAttacks {
  readonly tier: string;
  readonly layers: readonly string[];
  readonly results: readonly AttackResult[];
}

/**
 * The same attacks from inside an attempt's pod as the product builds it, with the real image: only the agent's program is replaced, by one
 * that has the attacks run. In a namespace of its own, gone at the end. Needs KUBECONFIG and KAGGLE_AGENT_TEST_REAL_IMAGE.
 */
export async function attackInPod(): Promise<PodAttacks> {
  const namespace = await createNamespace('attack');
  try {
    return await attack(namespace);
  } finally {
    await namespace.remove();
  }
}

async function attack({ name: namespace, api }: ClusterNamespace): Promise<PodAttacks> {
  const secret = { metadata: { name: 'kaggle-credentials' }, stringData: { 'credentials.json': `${CANARY_PREFIX}-${randomUUID()}` } };
  await api.core.createNamespacedSecret({ namespace, body: secret });
  const agentCommand = ['/usr/local/bin/node', '-e', START];
  const settings = {
    kaggleCredentialsSecret: 'kaggle-credentials',
    agentResources: { cpuMillis: 200, memoryMib: 1024 },
    scratchMib: SCRATCH_MIB,
  };
  const image = requireSetting('KAGGLE_AGENT_TEST_REAL_IMAGE');
  const jobs = stubSettings({ image, agentCommand, runnerCommand: RUNNER_COMMAND }, settings);
  const runner = createKubernetesRunner({ batch: api.batch, core: api.core, namespace, jobs, readPods: true });
  const order = makeOrder({ does: 'exit', code: 0 }, { memoryMib: 768, activeDeadlineS: PATIENCE_MS / 1000 });
  await runner.create(order);
  const pod = createPodReader(namespace, api, order.jobName);
  await waitUntil('the pod of the attacks', async () => (await pod.read()).includes('waiting'), PATIENCE_MS);
  const inAgent = [
    'exec',
    '--stdin',
    '--namespace',
    namespace,
    pod.name(),
    '--container',
    'agent',
    '--',
    '/usr/local/bin/node',
    '-e',
    RECEIVE,
  ];
  await kubectl([...inAgent, 'client.cjs'], await readClient());
  await kubectl([...inAgent, 'programs.json'], await readPrograms());
  await kubectl([...inAgent, 'ready'], 'ready');
  await waitUntil('the attacks in the pod', async () => (await pod.read()).includes(POD_RESULTS), PATIENCE_MS);
  const log = await pod.read();
  const line = log.split('\n').find((each) => each.startsWith(POD_RESULTS)) ?? '';
  const { tier, layers, results } = Report.parse(JSON.parse(line.slice(POD_RESULTS.length)));
  const exec = ['exec', '--namespace', namespace, pod.name(), '--container', 'runner', '--', '/usr/local/bin/node', '-e', LIST_PROCESSES];
  const left = (await kubectl(exec)).split('\n').filter((words) => words.includes(DAEMON_WORD)).length;
  const leaked = log.includes(CANARY_PREFIX) || log.includes(order.token);
  return {
    tier,
    layers,
    results: [
      ...results,
      { attack: 'pod: processes that were left behind', through: left > 0, stoppedBy: left > 0 ? `OPEN: ${left} live on` : 'none', ms: 0 },
      { attack: 'pod: a secret in the results', through: leaked, stoppedBy: leaked ? 'OPEN' : 'none was found', ms: 0 },
    ],
  };
}

/** The log of the agent's container, "" before it has begun. Throws when the pod ended: the client waits to be ended. */
function createPodReader(namespace: string, { core }: ClusterNamespace['api'], jobName: string) {
  let podName = '';
  return {
    name: () => podName,
    async read(): Promise<string> {
      const { items } = await core.listNamespacedPod({ namespace, labelSelector: `${LABELS.ownerName}=${jobName}` });
      const [found] = items;
      podName = found?.metadata?.name ?? '';
      const state = found?.status?.containerStatuses?.find(({ name }) => name === 'agent')?.state;
      if (state?.running === undefined && state?.terminated === undefined) return '';
      const log = await core.readNamespacedPodLog({ name: podName, namespace, container: 'agent' });
      if (state.terminated !== undefined) throw new Error(`the pod ended before the attacks: ${log.slice(-2000)}`);
      return log;
    },
  };
}

async function readClient(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'attack-client-'));
  try {
    await buildBundles(PROJECT_DIR, [{ name: 'attack-client', source: 'test/attack/pod-client.ts' }], folder);
    return await readFile(join(folder, 'attack-client.cjs'), 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readPrograms(): Promise<string> {
  const folder = join(import.meta.dirname, 'programs');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.py'));
  const texts = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')]));
  return JSON.stringify(Object.fromEntries(texts));
}
