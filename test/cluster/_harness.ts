import { randomUUID } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { openApiClient } from '#adapters/cluster/kubernetes/api-client.ts';
import type { ApiClient } from '#adapters/cluster/kubernetes/api-client.ts';
import { readFailure } from '#adapters/cluster/kubernetes/api-error.ts';
import { LABELS } from '#adapters/cluster/kubernetes/labels.ts';
import { AGENT_COMMAND, PodSettings, RUNNER_COMMAND } from '#adapters/cluster/kubernetes/pod-settings.ts';
import type { JobSettings } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { createKubernetesRunner } from '#adapters/cluster/kubernetes/runner.ts';
import type { KubernetesRunnerOptions } from '#adapters/cluster/kubernetes/runner.ts';
import type { JobSpec } from '#core/job-spec.ts';
import type { RunOrder } from '#core/ports.ts';
import type { JobRunnerHarness, ToyAgent } from '#test/contract/job-runner-harness.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const RUNS_AT_ONCE = 6;
const PATIENCE_MS = 180_000;
const RESTRICTED = { 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/warn': 'restricted' };

/** A namespace of its own in a real cluster. */
export interface ClusterNamespace {
  readonly name: string;
  readonly api: ApiClient;
  remove(): Promise<void>;
}

/** A value that the suite can't do without. Throws naming it. */
export function requireSetting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set: the cluster suite needs it`);
  return value;
}

/** Makes a throw-away namespace that enforces Pod Security `restricted`, with the attempts' account. */
export async function createNamespace(prefix: string): Promise<ClusterNamespace> {
  const api = await openApiClient({ kubeconfig: requireSetting('KUBECONFIG'), timeoutMs: 10_000 });
  const name = `${prefix}-${randomUUID().slice(0, 8)}`;
  await api.core.createNamespace({ body: { metadata: { name, labels: RESTRICTED } } });
  await api.core.createNamespacedServiceAccount({
    namespace: name,
    body: { metadata: { name: 'attempt' }, automountServiceAccountToken: false },
  });
  const isGone = () =>
    api.core.readNamespace({ name }).then(
      () => false,
      (error: unknown) => {
        if (readFailure(error).status === 404) return true;
        throw error;
      },
    );
  const remove = async () => {
    await api.core.deleteNamespace({ name });
    await waitUntil(`namespace ${name} to be gone`, isGone, PATIENCE_MS);
    api.close();
  };
  return { name, api, remove };
}

/** Settings for the stub image: small, quick to be killed. */
export function stubSettings(overrides: Partial<JobSettings> = {}, pod: Partial<PodSettings> = {}): JobSettings {
  return {
    image: requireSetting('KAGGLE_AGENT_TEST_AGENT_IMAGE'),
    pod: {
      ...PodSettings.parse({
        storageUrl: 'gs://no-bucket',
        agentResources: { cpuMillis: 20, memoryMib: 64 },
        scratchMib: 64,
        graceS: 2,
      }),
      ...pod,
    },
    agentCommand: AGENT_COMMAND,
    runnerCommand: RUNNER_COMMAND,
    ...overrides,
  };
}

/** A harness in the namespace, for one test at a time of a few; every run is removed at the end of the test. */
export async function setUpKubernetes(
  t: ExecutionContext,
  namespace: ClusterNamespace,
  options: Partial<KubernetesRunnerOptions> = {},
): Promise<JobRunnerHarness> {
  t.timeout(2 * PATIENCE_MS);
  await takeTurn(t);
  const { batch, core } = namespace.api;
  const runner = createKubernetesRunner({ batch, core, namespace: namespace.name, jobs: stubSettings(), readPods: true, ...options });
  const names: string[] = [];
  const living = (jobName: string) => countLiving(namespace, jobName);
  t.teardown(async () => {
    for (const jobName of names) {
      const run = await runner.observe(jobName);
      if (run !== null) await runner.remove({ jobName, uid: run.uid });
    }
    for (const jobName of names) {
      await waitUntil(`no pod of ${jobName} to live`, async () => (await living(jobName)) === 0, PATIENCE_MS);
    }
  });
  return {
    runner,
    patienceMs: PATIENCE_MS,
    countLiving: living,
    makeOrder: (agent, limits) => {
      const order = makeOrder(agent, limits);
      names.push(order.jobName);
      return order;
    },
    waitReady: async (run) => {
      const { podName } = run;
      if (podName === null) throw new Error(`${run.jobName} has no pod`);
      const read = () => core.readNamespacedPodLog({ name: podName, namespace: namespace.name, container: 'agent' });
      await waitUntil(`${podName} to be ready`, async () => (await read()).includes('ready'), PATIENCE_MS);
    },
  };
}

async function countLiving({ api, name }: ClusterNamespace, jobName: string): Promise<number> {
  const { items } = await api.core.listNamespacedPod({ namespace: name, labelSelector: `${LABELS.ownerName}=${jobName}` });
  return items.filter((pod) => pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed').length;
}

let running = 0;
const queue: (() => void)[] = [];

async function takeTurn(t: ExecutionContext): Promise<void> {
  if (running >= RUNS_AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve));
  else running += 1;
  t.teardown(() => {
    const next = queue.shift();
    if (next === undefined) running -= 1;
    else next();
  });
}

/** An order whose run is the toy program. */
export function makeOrder(agent: ToyAgent, limits: { readonly memoryMib?: number; readonly activeDeadlineS?: number } = {}): RunOrder {
  const jobId = randomUUID();
  const jobName = `kaggle-${agent.does}-${jobId.slice(-8)}`;
  const spec: JobSpec = {
    schemaVersion: 1,
    jobId,
    attempt: 1,
    jobName,
    tenant: 'default',
    slug: 'toy',
    kaggleUrl: 'https://www.kaggle.com/competitions/toy',
    resources: { cpuMillis: 20, memoryMib: limits.memoryMib ?? 64 },
    remainingS: 60,
    activeDeadlineS: limits.activeDeadlineS ?? 300,
    budgetUsd: 0,
    llm: 'off',
    hint: JSON.stringify(agent),
    submitToKaggle: false,
    task: null,
    seed: 1,
    traceparent: null,
  };
  return { spec, specHash: jobId.replaceAll('-', '').repeat(2), jobName, jobId, attempt: 1, token: `secret-${jobId}` };
}
