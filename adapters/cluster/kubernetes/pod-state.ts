import type { V1ContainerStatus, V1Pod, V1PodCondition } from '@kubernetes/client-node';
import type { EndCause } from '#core/exit-class.ts';
import type { FailureCode } from '#core/job.ts';
import { CONTAINERS } from './labels.ts';

/** What a pod says of its attempt. */
export interface PodState {
  readonly name: string;
  /** Something of it may still run: it has no end of its own. */
  readonly alive: boolean;
  readonly started: boolean;
  readonly startedAt: Date | null;
  readonly exitCode: number | null;
  readonly cause: EndCause | null;
  /** A class that wins over exit code and cause: the node let go of the pod, or the attempt used more disk than it may. */
  readonly failure: FailureCode | null;
  /** Why it is not running yet, or how it ended; null when there is nothing to say but "running". */
  readonly note: string | null;
}

const IMAGE_REASONS: readonly string[] = [
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
];
const CONTAINER_REASONS: readonly string[] = ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError', 'StartError'];
const NOTE_LENGTH = 300;

/** Reads a pod of an attempt. */
export function readPod(pod: V1Pod): PodState {
  const agent = findStatus(pod.status?.containerStatuses, CONTAINERS.agent);
  const ended = agent?.state?.terminated ?? null;
  const running = agent?.state?.running ?? null;
  const disk = describeDiskUse(pod);
  const disruption = disk === null ? describeDisruption(pod) : null;
  const isOutOfMemory = ended?.reason === 'OOMKilled';
  const failure = disk !== null ? 'crashed' : disruption === null ? null : 'evicted';
  const notStarted = ended?.reason !== undefined && CONTAINER_REASONS.includes(ended.reason);
  return {
    name: pod.metadata?.name ?? '',
    alive: pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed',
    started: running !== null || ended !== null,
    startedAt: toTime(ended?.startedAt ?? running?.startedAt),
    exitCode: ended?.exitCode ?? null,
    cause: isOutOfMemory ? 'out-of-memory' : notStarted ? 'cannot-start' : null,
    failure,
    note:
      disk ??
      disruption ??
      (isOutOfMemory ? describeMemory(pod) : null) ??
      (ended === null ? describeWaiting(pod, running !== null) : describeEnd(ended)),
  };
}

/** An API server's answer is typed, not checked: a date that is none is no date. */
export function toTime(date: Date | undefined): Date | null {
  return date === undefined || Number.isNaN(date.getTime()) ? null : date;
}

/** One line: the cluster's messages can be long, and have several. */
export function shorten(text: string | undefined): string {
  return (text ?? '').replaceAll(/\s+/g, ' ').trim().slice(0, NOTE_LENGTH);
}

function findStatus(statuses: readonly V1ContainerStatus[] | undefined, name: string): V1ContainerStatus | null {
  return statuses?.find((status) => status.name === name) ?? null;
}

function findCondition(pod: V1Pod, type: string, status: 'True' | 'False'): V1PodCondition | null {
  return pod.status?.conditions?.find((condition) => condition.type === type && condition.status === status) ?? null;
}

/** The kubelet ends a pod that outgrew its own limits the way it ends one in the way of others, but without a disruption. */
function describeDiskUse(pod: V1Pod): string | null {
  if (pod.status?.reason !== 'Evicted' || findCondition(pod, 'DisruptionTarget', 'True') !== null) return null;
  return `used more disk than it may: ${shorten(pod.status.message)}`;
}

function describeDisruption(pod: V1Pod): string | null {
  const condition = findCondition(pod, 'DisruptionTarget', 'True');
  if (condition === null) return null;
  return `evicted: ${[condition.reason, shorten(condition.message)].filter((part) => part !== undefined && part !== '').join(': ')}`;
}

function describeMemory(pod: V1Pod): string {
  const limit = pod.spec?.containers.find((container) => container.name === CONTAINERS.agent)?.resources?.limits?.['memory'];
  return `out of memory (limit ${limit ?? 'of its node'})`;
}

function describeEnd(ended: { readonly exitCode: number; readonly reason?: string; readonly message?: string }): string {
  if (ended.exitCode === 0) return 'ended with exit code 0';
  const message = shorten(chooseLastWord(ended.message));
  return `ended with exit code ${ended.exitCode}${message === '' ? '' : `: ${message}`}`;
}

/** The last line that a program said; of a crash of Node, which ends with a stack and its version, the error. */
function chooseLastWord(text = ''): string | undefined {
  const lines = text.trimEnd().split('\n');
  const last = lines.at(-1);
  return (last?.startsWith('Node.js v') ? lines.findLast((line) => /^[\w$.]*Error\b/.test(line)) : undefined) ?? last;
}

function describeWaiting(pod: V1Pod, isRunning: boolean): string | null {
  const runner = findStatus(pod.status?.initContainerStatuses, CONTAINERS.runner);
  const restarts = runner?.restartCount ?? 0;
  const last = runner?.state?.terminated ?? runner?.lastState?.terminated ?? null;
  if (isRunning) {
    if (restarts === 0 || last === null) return null;
    return `running; the runner of solutions ended ${describeCode(last)} and was restarted ${restarts} times`;
  }
  const scheduled = findCondition(pod, 'PodScheduled', 'False');
  if (scheduled !== null) {
    return `waiting: ${scheduled.reason === 'SchedulingGated' ? 'held back by a scheduling gate' : `no node can take it: ${cutPreemption(scheduled.message)}`}`;
  }
  if (restarts > 0 && last !== null && runner?.started !== true) {
    const message = shorten(chooseLastWord(last.message));
    return `waiting: the runner of solutions does not start, it ended ${describeCode(last)} ${restarts + 1} times${message === '' ? '' : `: ${message}`}`;
  }
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const waiting = status.state?.waiting;
    const reason = waiting?.reason ?? '';
    if (IMAGE_REASONS.includes(reason))
      return `waiting: the image ${status.image} can't be pulled (${reason}): ${shorten(waiting?.message)}`;
    if (CONTAINER_REASONS.includes(reason))
      return `waiting: container ${status.name} can't be started (${reason}): ${shorten(waiting?.message)}`;
  }
  if (findCondition(pod, 'PodScheduled', 'True') === null) return 'waiting: for the scheduler';
  const isPrepared = findCondition(pod, 'PodReadyToStartContainers', 'False') === null;
  return isPrepared ? 'waiting: its containers are being started' : 'waiting: its volumes and network are being made ready';
}

function describeCode(ended: { readonly exitCode: number; readonly reason?: string }): string {
  return ended.reason === 'OOMKilled' ? 'out of memory' : `with exit code ${ended.exitCode}`;
}

/** The scheduler's second sentence is about preemption, and says nothing to whoever waits. */
function cutPreemption(message: string | undefined): string {
  return shorten(message).replace(/ ?(no new claims to deallocate, )?preemption: .*$/, '');
}
