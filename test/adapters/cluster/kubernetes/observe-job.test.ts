import test from 'ava';
import type { V1ContainerStatus, V1Job, V1JobCondition, V1Pod, V1PodStatus } from '@kubernetes/client-node';
import { observeJob } from '#adapters/cluster/kubernetes/observe-job.ts';
import type { FailureCode } from '#core/job.ts';

const AT = new Date('2026-01-31T12:00:00Z');

function makeJob(
  conditions: readonly (readonly [type: string, reason?: string, message?: string])[] = [],
  metadata: V1Job['metadata'] = {},
): V1Job {
  const labels = { 'app.kubernetes.io/managed-by': 'kaggle-agent', 'kaggle-agent.dev/job-id': 'id', 'kaggle-agent.dev/attempt': '2' };
  return {
    metadata: { name: 'kaggle-x', uid: 'uid', labels, annotations: { 'kaggle-agent.dev/spec-hash': 'hash' }, ...metadata },
    status: {
      startTime: AT,
      conditions: conditions.map(([type, reason, message]): V1JobCondition => ({
        type,
        status: 'True',
        lastTransitionTime: AT,
        ...(reason !== undefined && { reason }),
        ...(message !== undefined && { message }),
      })),
    },
  };
}

function makeStatus(name: string, state: V1ContainerStatus['state'], rest: Partial<V1ContainerStatus> = {}): V1ContainerStatus {
  return { name, image: 'agent:1', imageID: '', ready: false, restartCount: 0, ...(state !== undefined && { state }), ...rest };
}

function makePod(status: V1PodStatus): V1Pod {
  const resources = { limits: { memory: '1Gi' } };
  return { metadata: { name: 'kaggle-x-abcde' }, spec: { containers: [{ name: 'agent', resources }] }, status };
}

const scheduled = { type: 'PodScheduled', status: 'True' };
const running = makePod({
  phase: 'Running',
  conditions: [scheduled],
  containerStatuses: [makeStatus('agent', { running: { startedAt: AT } })],
});
const ended = (exitCode: number, rest: { reason?: string; message?: string } = {}) =>
  makePod({ phase: 'Failed', containerStatuses: [makeStatus('agent', { terminated: { exitCode, startedAt: AT, ...rest } })] });

const exitCodeMessage = (code: number) =>
  `Container agent for pod runs/kaggle-x-abcde failed with exit code ${code} matching FailJob rule at index 1`;

// What the Job alone says: the pod is gone, or nobody may look at it.
const byJobAlone: readonly (readonly [string, V1Job, FailureCode, number | null, RegExp])[] = [
  ['bad input', makeJob([['Failed', 'PodFailurePolicy', exitCodeMessage(64)]]), 'bad-input', 64, /exit code 64/],
  ['a stopped agent', makeJob([['Failed', 'PodFailurePolicy', exitCodeMessage(75)]]), 'stopped', 75, /75/],
  ['a killed agent', makeJob([['Failed', 'PodFailurePolicy', exitCodeMessage(137)]]), 'out-of-memory', 137, /137/],
  [
    'a lost node',
    makeJob([['Failed', 'PodFailurePolicy', 'Pod runs/kaggle-x-abcde has condition DisruptionTarget matching FailJob rule at index 0']]),
    'evicted',
    null,
    /evicted/,
  ],
  [
    'a passed deadline',
    makeJob([['Failed', 'DeadlineExceeded', 'Job was active longer than specified deadline']]),
    'deadline',
    null,
    /deadline/,
  ],
  [
    'a pod that vanished',
    makeJob([['Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit']]),
    'lost',
    null,
    /lost: Job has/,
  ],
];

for (const [what, job, failure, exitCode, words] of byJobAlone) {
  for (const [how, pods] of [
    ['without the right to pods', null],
    ['when the pod is gone', []],
  ] as const) {
    test(`${what} is known from the Job alone, ${how}`, (t) => {
      const run = observeJob(job, pods);
      t.like(run, { phase: 'failed', alive: false, failure, exitCode, finishedAt: AT, jobId: 'id', attempt: 2, specHash: 'hash' });
      t.regex(run?.reason ?? '', words);
    });
  }
}

test('an end that is decided but not over keeps the run alive', (t) => {
  t.like(observeJob(makeJob([['FailureTarget', 'DeadlineExceeded']]), [running]), {
    phase: 'failed',
    failure: 'deadline',
    alive: true,
    finishedAt: null,
  });
  t.like(observeJob(makeJob([['FailureTarget', 'DeadlineExceeded']]), null), { phase: 'failed', alive: true });
  t.like(observeJob(makeJob([['SuccessCriteriaMet', 'CompletionsReached']]), null), { phase: 'succeeded', alive: true, finishedAt: null });
  t.like(observeJob(makeJob([['SuccessCriteriaMet'], ['Complete']]), null), {
    phase: 'succeeded',
    alive: false,
    failure: null,
    exitCode: 0,
  });
});

test('a run whose pod still lives is alive, whatever its Job says', (t) => {
  t.like(observeJob(makeJob([['Failed', 'DeadlineExceeded']]), [running]), { phase: 'failed', alive: true });
});

test('a Job being deleted is shown as deleting, and alive as long as it is not finished', (t) => {
  t.like(observeJob(makeJob([], { ...makeJob().metadata, deletionTimestamp: AT }), [running]), {
    phase: 'running',
    deleting: true,
    alive: true,
  });
  t.like(observeJob(makeJob([], { ...makeJob().metadata, deletionTimestamp: AT }), null), { deleting: true, alive: true });
  t.like(observeJob(makeJob([['Complete']], { ...makeJob().metadata, deletionTimestamp: AT }), []), { deleting: true, alive: false });
});

test('without the right to pods, a ready pod counts as running', (t) => {
  const job = makeJob();
  t.like(observeJob({ ...job, status: { ...job.status, ready: 1 } }, null), { phase: 'running', reason: 'running', startedAt: AT });
  t.like(observeJob(job, null), { phase: 'waiting', reason: 'waiting: its pod is being started', startedAt: null });
});

const failed = (code: number) => makeJob([['Failed', 'PodFailurePolicy', exitCodeMessage(code)]]);
const byPod: readonly (readonly [string, V1Job, V1Pod, FailureCode, RegExp])[] = [
  ['memory', failed(137), ended(137, { reason: 'OOMKilled' }), 'out-of-memory', /^out of memory \(limit 1Gi\)$/],
  [
    'last words',
    failed(64),
    ended(64, { message: 'line 1\nno such competition\n' }),
    'bad-input',
    /^ended with exit code 64: no such competition$/,
  ],
  [
    'a crash of Node',
    failed(1),
    ended(1, {
      message: 'file:///app.js:3\n  throw error;\n\nTypeError: x is not a function\n    at run (app.js:3:9)\n\nNode.js v24.1.0\n',
    }),
    'crashed',
    /^ended with exit code 1: TypeError: x is not a function$/,
  ],
  [
    'eviction',
    makeJob([['Failed', 'PodFailurePolicy', 'Pod runs/x has condition DisruptionTarget matching FailJob rule at index 0']]),
    makePod({
      phase: 'Failed',
      reason: 'Evicted',
      conditions: [
        { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: 'The node was low on resource: memory.' },
      ],
    }),
    'evicted',
    /^evicted: TerminationByKubelet: The node was low/,
  ],
  [
    'disk use of its own',
    failed(137),
    makePod({ phase: 'Failed', reason: 'Evicted', message: 'Usage of EmptyDir volume "runs" exceeds the limit "4Gi".' }),
    'crashed',
    /^used more disk than it may: Usage of EmptyDir volume "runs"/,
  ],
];

for (const [what, job, pod, failure, words] of byPod) {
  test(`a pod that is still there adds its ${what}`, (t) => {
    const run = observeJob(job, [pod]);
    t.like(run, { phase: 'failed', alive: false, failure, podName: 'kaggle-x-abcde' });
    t.regex(run?.reason ?? '', words);
  });
}

const runnerUp = makeStatus('runner', { running: { startedAt: AT } }, { started: true });
const waiting: readonly (readonly [string, V1PodStatus, RegExp])[] = [
  [
    'no node',
    {
      phase: 'Pending',
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'Unschedulable',
          message:
            '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No victims.',
        },
      ],
    },
    /^waiting: no node can take it: 0\/1 nodes are available: 1 Insufficient cpu\.$/,
  ],
  [
    'an image',
    {
      phase: 'Pending',
      conditions: [scheduled],
      initContainerStatuses: [
        makeStatus('runner', { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "agent:1"' } }),
      ],
    },
    /^waiting: the image agent:1 can't be pulled \(ImagePullBackOff\): Back-off/,
  ],
  [
    'a container that can not be made',
    {
      phase: 'Pending',
      conditions: [scheduled],
      initContainerStatuses: [runnerUp],
      containerStatuses: [makeStatus('agent', { waiting: { reason: 'CreateContainerConfigError', message: 'secret "kaggle" not found' } })],
    },
    /^waiting: container agent can't be started \(CreateContainerConfigError\): secret "kaggle" not found/,
  ],
  [
    'a sidecar that fails',
    {
      phase: 'Pending',
      conditions: [scheduled],
      initContainerStatuses: [
        makeStatus(
          'runner',
          { waiting: { reason: 'CrashLoopBackOff' } },
          { restartCount: 3, started: false, lastState: { terminated: { exitCode: 2, message: 'seccomp is not there' } } },
        ),
      ],
    },
    /^waiting: the runner of solutions does not start, it ended with exit code 2 4 times: seccomp is not there$/,
  ],
  [
    'its volumes',
    { phase: 'Pending', conditions: [scheduled, { type: 'PodReadyToStartContainers', status: 'False' }] },
    /volumes and network/,
  ],
  ['the scheduler', { phase: 'Pending' }, /^waiting: for the scheduler$/],
];

for (const [what, status, words] of waiting) {
  test(`a pod that waits for ${what} says so`, (t) => {
    const run = observeJob(makeJob(), [makePod(status)]);
    t.like(run, { phase: 'waiting', alive: true, failure: null, startedAt: null });
    t.regex(run?.reason ?? '', words);
  });
}

test('a Job without a pod, or held back, says so', (t) => {
  t.regex(observeJob(makeJob(), [])?.reason ?? '', /has not made its pod yet .*quota/);
  const job = makeJob();
  t.is(observeJob({ ...job, spec: { suspend: true, template: {} } }, [])?.reason, 'waiting: held back by its queue');
});

test('a runner that was out of memory is told, and is no failure of the attempt', (t) => {
  const terminated = { exitCode: 137, reason: 'OOMKilled' };
  const runner = makeStatus('runner', { running: { startedAt: AT } }, { restartCount: 2, started: true, lastState: { terminated } });
  const run = observeJob(makeJob(), [makePod({ ...running.status, initContainerStatuses: [runner] })]);
  t.like(run, {
    phase: 'running',
    failure: null,
    reason: 'running; the runner of solutions ended out of memory and was restarted 2 times',
  });
});

test('a Job that is none of ours is none', (t) => {
  t.is(observeJob({ metadata: { name: 'x', uid: 'y' } }, null), null);
  t.is(observeJob(makeJob([], { ...makeJob().metadata, labels: { 'app.kubernetes.io/managed-by': 'kaggle-agent' } }), null), null);
});
