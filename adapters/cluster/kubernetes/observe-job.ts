import type { V1Job, V1JobCondition, V1Pod } from '@kubernetes/client-node';
import { classifyExit } from '#core/exit-class.ts';
import type { EndCause } from '#core/exit-class.ts';
import type { FailureCode } from '#core/job.ts';
import type { RunObservation } from '#core/ports.ts';
import { ANNOTATIONS, LABELS, MANAGER } from './labels.ts';
import { readPod, shorten, toTime } from './pod-state.ts';
import type { PodState } from './pod-state.ts';

/** What the Job's own conditions say of its end. `over`: nothing of it runs any more, by the Job controller's word. */
interface JobEnd {
  readonly over: boolean;
  readonly isSuccess: boolean;
  readonly exitCode: number | null;
  readonly cause: EndCause | null;
  readonly failure: FailureCode | null;
  readonly reason: string;
  readonly podName: string | null;
  readonly at: Date | null;
}

/** Who a Job says it is; null when it is none of ours. */
export function readIdentity(job: V1Job): Pick<RunObservation, 'jobName' | 'uid' | 'jobId' | 'attempt' | 'specHash'> | null {
  const { name, uid, labels = {}, annotations = {} } = job.metadata ?? {};
  const jobId = labels[LABELS.jobId];
  const specHash = annotations[ANNOTATIONS.specHash];
  const attempt = Number(labels[LABELS.attempt]);
  if (labels[LABELS.managedBy] !== MANAGER || name === undefined || uid === undefined || jobId === undefined) return null;
  if (specHash === undefined || !Number.isInteger(attempt) || attempt < 1) return null;
  return { jobName: name, uid, jobId, attempt, specHash };
}

/**
 * A Job and its pods as the port speaks of them: the Job's conditions decide, since they outlive the pod; the pod adds what they leave open.
 * `pods` null: nobody may look, the Job alone is judged (its controller ends it only after its pods). Null when the Job is none of ours.
 */
export function observeJob(job: V1Job, pods: readonly V1Pod[] | null): RunObservation | null {
  const identity = readIdentity(job);
  if (identity === null) return null;
  const states = (pods ?? []).map(readPod);
  // At most one pod of a Job lives; a dead one before it can be left over from a replacement.
  const pod = states.find((state) => state.alive) ?? states.at(-1) ?? null;
  const end = readEnd(job);
  const isLiving = states.some((state) => state.alive);
  const ended = end === null ? null : classifyEnd(end, pod);
  const started = pod?.started ?? (pods === null && (job.status?.ready ?? 0) > 0);
  return {
    ...identity,
    phase: ended?.phase ?? (started ? 'running' : 'waiting'),
    alive: end?.over !== true || isLiving,
    deleting: job.metadata?.deletionTimestamp !== undefined,
    exitCode: end === null ? null : (ended?.exitCode ?? null),
    failure: ended?.failure ?? null,
    reason: describe(job, { end, pod, started, pods }),
    podName: pod?.name ?? end?.podName ?? null,
    startedAt: pod?.startedAt ?? (started || end !== null ? toTime(job.status?.startTime) : null),
    finishedAt: end?.over === true ? end.at : null,
    recorded: job.metadata?.annotations?.[ANNOTATIONS.recordedAt] !== undefined,
  };
}

function readEnd(job: V1Job): JobEnd | null {
  const find = (...types: readonly string[]) =>
    types
      .map((type) => job.status?.conditions?.find((each) => each.type === type && each.status === 'True'))
      .find((each) => each !== undefined);
  const complete = find('Complete', 'SuccessCriteriaMet');
  if (complete !== undefined) {
    const over = complete.type === 'Complete';
    const at = toTime(job.status?.completionTime ?? complete.lastTransitionTime);
    return { over, isSuccess: true, exitCode: 0, cause: null, failure: null, reason: '', podName: null, at };
  }
  const failed = find('Failed', 'FailureTarget');
  return failed === undefined ? null : readFailure(failed);
}

function readFailure(condition: V1JobCondition): JobEnd {
  const message = condition.message ?? '';
  const base = { over: condition.type === 'Failed', isSuccess: false, at: toTime(condition.lastTransitionTime) };
  const none = { exitCode: null, cause: null, failure: null, podName: null };
  if (condition.reason === 'DeadlineExceeded') {
    return { ...base, ...none, cause: 'deadline', reason: 'cut off: it ran longer than its deadline' };
  }
  if (condition.reason === 'PodFailurePolicy') {
    const podName = /pod [^/\s]+\/(\S+)/i.exec(message)?.[1] ?? null;
    const code = /failed with exit code (\d+)/.exec(message)?.[1];
    if (code !== undefined) return { ...base, ...none, podName, exitCode: Number(code), reason: `ended with exit code ${code}` };
    if (message.includes('DisruptionTarget')) {
      return { ...base, ...none, podName, failure: 'evicted', reason: 'evicted: the cluster took its node away' };
    }
  }
  return { ...base, ...none, reason: `lost: ${shorten(message) || condition.reason || 'its pod is gone'}` };
}

function classifyEnd(end: JobEnd, pod: PodState | null): Pick<RunObservation, 'phase' | 'failure' | 'exitCode'> {
  if (end.isSuccess) return { phase: 'succeeded', failure: null, exitCode: 0 };
  const exitCode = end.exitCode ?? pod?.exitCode ?? null;
  if (end.cause === 'deadline') return { phase: 'failed', failure: 'deadline', exitCode };
  const own = end.failure ?? pod?.failure ?? null;
  if (own !== null) return { phase: 'failed', failure: own, exitCode };
  const { failure } = classifyExit({ exitCode, cause: pod?.cause ?? null });
  // The Job failed, whatever its agent's code was: a pod that a person deleted may have ended well.
  return { phase: 'failed', failure: failure ?? 'lost', exitCode };
}

function describe(
  job: V1Job,
  params: { readonly end: JobEnd | null; readonly pod: PodState | null; readonly started: boolean; readonly pods: readonly V1Pod[] | null },
): string {
  const { end, pod, started, pods } = params;
  if (end !== null) {
    if (end.isSuccess) return 'ended with exit code 0';
    if (end.cause === 'deadline') return end.reason;
    return pod?.note ?? end.reason;
  }
  if (pod?.note !== null && pod?.note !== undefined) return pod.note;
  if (started) return 'running';
  const isHeld = job.status?.conditions?.some((condition) => condition.type === 'Suspended' && condition.status === 'True') === true;
  if (job.spec?.suspend === true || isHeld) return 'waiting: held back by its queue';
  if (pods === null) return 'waiting: its pod is being started';
  return 'waiting: the cluster has not made its pod yet (if this stays so: a quota or a rule of the namespace is in the way)';
}
