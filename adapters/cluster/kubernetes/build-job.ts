import type { V1Job } from '@kubernetes/client-node';
import { JobSpec } from '#core/job-spec.ts';
import { RunnerError } from '#core/ports.ts';
import type { RunOrder } from '#core/ports.ts';
import { ANNOTATIONS, CONTAINERS, LABELS, MANAGER, isJobName } from './labels.ts';
import type { JobSettings } from './pod-settings.ts';
import { buildPodSpec } from './build-pod.ts';

/**
 * The Kubernetes Job of an order: the same order and settings always make the same Job. Its end keeps the class of a failure in the Job's own
 * condition, which outlives the pod. Throws RunnerError `refused` when the order's spec or name is none of ours.
 */
export function buildJob(order: RunOrder, settings: JobSettings): V1Job {
  if (!isJobName(order.jobName)) {
    throw new RunnerError('refused', `the name ${JSON.stringify(order.jobName.slice(0, 80))} is no DNS label of at most 63 characters`);
  }
  const parsed = JobSpec.safeParse(order.spec);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RunnerError(
      'refused',
      `the frozen spec of ${order.jobName} is damaged at ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    );
  }
  const spec = parsed.data;
  const labels = buildLabels(order);
  const trace: Record<string, string> = spec.traceparent === null ? {} : { [ANNOTATIONS.traceparent]: spec.traceparent };
  const { queueName } = settings.pod;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: order.jobName,
      labels: { ...labels, ...(queueName !== null && { [LABELS.queue]: queueName }) },
      annotations: { [ANNOTATIONS.specHash]: order.specHash, [ANNOTATIONS.slug]: spec.slug, ...trace },
    },
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      activeDeadlineSeconds: spec.activeDeadlineS,
      // FailJob only, and one rule for every code: a rule that matched writes its code into the Job's condition.
      podFailurePolicy: {
        rules: [
          { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailJob', onExitCodes: { containerName: CONTAINERS.agent, operator: 'NotIn', values: [0] } },
        ],
      },
      template: {
        metadata: {
          labels,
          // The frozen text as the ledger has it: the agent reads what was hashed.
          annotations: { [ANNOTATIONS.spec]: JSON.stringify(order.spec), [ANNOTATIONS.token]: order.token, ...trace },
        },
        spec: buildPodSpec(spec, settings),
      },
    },
  };
}

function buildLabels(order: RunOrder): Record<string, string> {
  return {
    [LABELS.name]: MANAGER,
    [LABELS.component]: 'attempt',
    [LABELS.managedBy]: MANAGER,
    [LABELS.jobId]: order.jobId,
    [LABELS.attempt]: String(order.attempt),
  };
}
