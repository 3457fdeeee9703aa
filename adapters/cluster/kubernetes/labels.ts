/** Labels of the Job and its pod, and annotations: the names that Jobs are found, verified and forgotten by. */
export const LABELS = {
  name: 'app.kubernetes.io/name',
  component: 'app.kubernetes.io/component',
  managedBy: 'app.kubernetes.io/managed-by',
  jobId: 'kaggle-agent.dev/job-id',
  attempt: 'kaggle-agent.dev/attempt',
  queue: 'kueue.x-k8s.io/queue-name',
  /** Set by the Job controller on its pods. */
  ownerUid: 'batch.kubernetes.io/controller-uid',
  ownerName: 'batch.kubernetes.io/job-name',
} as const;

export const ANNOTATIONS = {
  specHash: 'kaggle-agent.dev/spec-hash',
  slug: 'kaggle-agent.dev/slug',
  recordedAt: 'kaggle-agent.dev/recorded-at',
  traceparent: 'kaggle-agent.dev/traceparent',
  /** Of the pod: mounted as files in the agent's container only. */
  spec: 'kaggle-agent.dev/spec',
  token: 'kaggle-agent.dev/token',
} as const;

export const MANAGER = 'kaggle-agent';

/** Selects every Job and pod of ours, and nothing else. */
export const SELECTOR = `${LABELS.managedBy}=${MANAGER}`;

export const CONTAINERS = { agent: 'agent', runner: 'runner' } as const;

/** Names that a Job of ours may have: DNS labels, since the Job's name is also a label of its pod. */
export function isJobName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}
