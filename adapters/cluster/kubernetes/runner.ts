import { PatchStrategy, setHeaderOptions } from '@kubernetes/client-node';
import type { BatchV1Api, CoreV1Api, V1Job, V1Pod } from '@kubernetes/client-node';
import { RunnerError } from '#core/ports.ts';
import type { JobRunner, RunObservation, RunOrder } from '#core/ports.ts';
import { readFailure, toAgentError, toRunnerError } from './api-error.ts';
import { buildJob } from './build-job.ts';
import { ANNOTATIONS, LABELS, SELECTOR, isJobName } from './labels.ts';
import { observeJob, readIdentity } from './observe-job.ts';
import type { JobSettings } from './pod-settings.ts';

/** How Kubernetes Jobs serve as a cluster of runs. */
export interface KubernetesRunnerOptions {
  readonly batch: BatchV1Api;
  readonly core: CoreV1Api;
  /** Where attempts run, and nothing else does. */
  readonly namespace: string;
  /** What Jobs are made of; null where none are created (collector, reconciler). */
  readonly jobs: JobSettings | null;
  /** False for an account without the right to pods: runs are judged by their Jobs alone. */
  readonly readPods: boolean;
  /** How long the cluster remembers a recorded run, in seconds; default 30. */
  readonly ttlS?: number;
}

/** All that is worth keeping is in storage and in the ledger by then, and a finished Job still counts in a quota and in etcd. */
const DEFAULT_TTL_S = 30;
/** Names in one selector: they travel in the URL. */
const NAMES_PER_SELECTOR = 50;

/** Attempts as Kubernetes Jobs. Every call has the client's deadline; `create` throws RunnerError, the others AgentError `unavailable`. */
export function createKubernetesRunner(options: KubernetesRunnerOptions): JobRunner {
  const { batch, namespace } = options;
  const readJob = async (name: string): Promise<V1Job | null> => {
    try {
      return isJobName(name) ? await batch.readNamespacedJob({ name, namespace }) : null;
    } catch (error) {
      if (readFailure(error).status === 404) return null;
      throw error;
    }
  };
  const look = async (job: V1Job): Promise<RunObservation | null> =>
    observeJob(job, options.readPods ? await listPodsOf(options, [job]) : null);
  return {
    create: (order) => createOrVerify(options, { order, readJob, look }),
    observe: async (jobName) => {
      try {
        const job = await readJob(jobName);
        return job === null ? null : await look(job);
      } catch (error) {
        throw toAgentError(error, `the Job ${jobName}`);
      }
    },
    list: async ({ cursor, limit }) => {
      try {
        return await listPage(options, cursor, limit);
      } catch (error) {
        throw toAgentError(error, `the Jobs of namespace ${namespace}`);
      }
    },
    remove: async ({ jobName, uid }) => {
      if (!isJobName(jobName)) return;
      // A plain deletion would leave the pod running, without an owner.
      const body = { propagationPolicy: 'Foreground', preconditions: { uid } };
      await ignoreGone(batch.deleteNamespacedJob({ name: jobName, namespace, body }), [404, 409], `the deletion of Job ${jobName}`);
    },
    markRecorded: async ({ jobName, uid }) => {
      if (!isJobName(jobName)) return;
      const annotations = { [ANNOTATIONS.recordedAt]: new Date().toISOString() };
      // The uid is the precondition: the server refuses to change it.
      const body = { metadata: { uid, annotations }, spec: { ttlSecondsAfterFinished: options.ttlS ?? DEFAULT_TTL_S } };
      const mergePatch = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
      await ignoreGone(
        batch.patchNamespacedJob({ name: jobName, namespace, body }, mergePatch),
        [404, 409, 422],
        `a change of Job ${jobName}`,
      );
    },
    describeNodes: () => Promise.resolve(null),
  };
}

/** A Job of that name with the same labels and spec hash is our own earlier try. */
async function createOrVerify(
  options: KubernetesRunnerOptions,
  params: {
    readonly order: RunOrder;
    readonly readJob: (name: string) => Promise<V1Job | null>;
    readonly look: (job: V1Job) => Promise<RunObservation | null>;
  },
): Promise<RunObservation> {
  const { order, readJob, look } = params;
  const { batch, namespace, jobs } = options;
  if (jobs === null) throw new RunnerError('refused', 'this function creates no Jobs: it was started without the settings for their pods');
  const body = buildJob(order, jobs);
  try {
    const created = await createOnce(batch, namespace, body);
    const job = created ?? (await readJob(order.jobName));
    // Gone again between our two questions.
    if (job === null) throw new RunnerError('busy', `the Job ${order.jobName} was just being deleted`);
    if (created === null) verify(job, order);
    const observation = created === null ? await look(job) : observeJob(job, null);
    if (observation === null)
      throw new RunnerError('mismatch', `the Job ${order.jobName} is not as it was created: something in the cluster changes Jobs`);
    return observation;
  } catch (error) {
    throw toRunnerError(error, namespace);
  }
}

/** Null when there is a Job of that name already. */
async function createOnce(batch: BatchV1Api, namespace: string, body: V1Job): Promise<V1Job | null> {
  try {
    return await batch.createNamespacedJob({ namespace, body });
  } catch (error) {
    const { status, reason } = readFailure(error);
    if (status === 409 && reason !== 'Conflict') return null;
    throw error;
  }
}

function verify(job: V1Job, order: RunOrder): void {
  const identity = readIdentity(job);
  if (identity?.jobId === order.jobId && identity.attempt === order.attempt && identity.specHash === order.specHash) return;
  const owner = identity === null ? 'something that this system did not make' : `attempt ${identity.attempt} of job ${identity.jobId}`;
  const other = identity?.jobId === order.jobId && identity.attempt === order.attempt ? `${owner} with another spec` : owner;
  throw new RunnerError('mismatch', `the name ${order.jobName} is taken by ${other}`);
}

async function listPage(
  options: KubernetesRunnerOptions,
  cursor: string | null,
  limit: number,
): Promise<{ items: RunObservation[]; cursor: string | null }> {
  const page = await readPage(options, cursor, limit);
  const jobs = page.items.filter((job) => readIdentity(job) !== null);
  const pods = options.readPods ? groupByOwner(await listPodsOf(options, jobs)) : null;
  const items = jobs.map((job) => observeJob(job, pods === null ? null : (pods.get(job.metadata?.uid ?? '') ?? [])));
  const { _continue: next } = page.metadata ?? {};
  return { items: items.filter((item) => item !== null), cursor: next || null };
}

/** A cursor that has expired goes on from the next key if the server says how, else from the beginning: nothing is left out, some may come twice. */
async function readPage({ batch, namespace }: KubernetesRunnerOptions, cursor: string | null, limit: number) {
  const query = { namespace, labelSelector: SELECTOR, limit };
  if (cursor === null) return batch.listNamespacedJob(query);
  try {
    return await batch.listNamespacedJob({ ...query, _continue: cursor });
  } catch (error) {
    const { status, continueToken } = readFailure(error);
    if (status !== 410) throw error;
    return batch.listNamespacedJob({ ...query, ...(continueToken !== null && { _continue: continueToken }) });
  }
}

/** Pods by their Jobs' names, in as few requests as URLs of a decent length allow. */
async function listPodsOf({ core, namespace }: KubernetesRunnerOptions, jobs: readonly V1Job[]): Promise<V1Pod[]> {
  const names = jobs.map((job) => job.metadata?.name ?? '');
  const uids = new Set(jobs.map((job) => job.metadata?.uid));
  const found: V1Pod[] = [];
  for (let start = 0; start < names.length; start += NAMES_PER_SELECTOR) {
    const labelSelector = `${SELECTOR},${LABELS.ownerName} in (${names.slice(start, start + NAMES_PER_SELECTOR).join(',')})`;
    const { items } = await core.listNamespacedPod({ namespace, labelSelector });
    // An earlier Job of the same name may have left a pod.
    found.push(...items.filter((pod) => uids.has(pod.metadata?.labels?.[LABELS.ownerUid])));
  }
  return found;
}

function groupByOwner(pods: readonly V1Pod[]): Map<string, V1Pod[]> {
  return Map.groupBy(pods, (pod) => pod.metadata?.labels?.[LABELS.ownerUid] ?? '');
}

async function ignoreGone(call: Promise<unknown>, statuses: readonly number[], what: string): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!statuses.includes(readFailure(error).status ?? 0)) throw toAgentError(error, what);
  }
}
