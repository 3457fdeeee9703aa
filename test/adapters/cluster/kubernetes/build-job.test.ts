import test from 'ava';
import { buildJob } from '#adapters/cluster/kubernetes/build-job.ts';
import { parsePodSettings } from '#adapters/cluster/kubernetes/pod-settings.ts';
import type { PodSettings } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { RunnerError } from '#core/ports.ts';
import { makeOrder } from '#test/cluster/_harness.ts';
import { JOBS } from './_fake-api.ts';

const order = makeOrder({ does: 'exit', code: 0 }, { memoryMib: 2048, activeDeadlineS: 4620 });

/** The Job's parts that every test looks at. */
function build(pod: Partial<PodSettings> = {}) {
  const job = buildJob(order, { ...JOBS, pod: { ...JOBS.pod, ...pod } });
  const template = job.spec?.template;
  const [agent] = template?.spec?.containers ?? [];
  const [runner] = template?.spec?.initContainers ?? [];
  if (template?.spec === undefined || agent === undefined || runner === undefined) throw new Error('the Job has no pod');
  return { job, template, pod: template.spec, agent, runner };
}

test('the same order always makes the same Job, with the labels it is found by', (t) => {
  const { job, template } = build();
  t.deepEqual(job, build().job);
  t.is(job.metadata?.name, order.jobName);
  const labels = {
    'app.kubernetes.io/name': 'kaggle-agent',
    'app.kubernetes.io/component': 'attempt',
    'app.kubernetes.io/managed-by': 'kaggle-agent',
    'kaggle-agent.dev/job-id': order.jobId,
    'kaggle-agent.dev/attempt': '1',
  };
  t.deepEqual(job.metadata?.labels, labels);
  t.deepEqual(template.metadata?.labels, labels);
  t.deepEqual(job.metadata?.annotations, { 'kaggle-agent.dev/spec-hash': order.specHash, 'kaggle-agent.dev/slug': 'toy' });
  t.is(template.metadata?.annotations?.['kaggle-agent.dev/spec'], JSON.stringify(order.spec));
});

test('one pod, never replaced while it lives, never repeated, forgotten only after it was recorded', (t) => {
  const { job, pod } = build();
  t.like(job.spec, { completions: 1, parallelism: 1, backoffLimit: 0, podReplacementPolicy: 'Failed', activeDeadlineSeconds: 4620 });
  t.is(job.spec?.ttlSecondsAfterFinished, undefined);
  t.deepEqual(job.spec?.podFailurePolicy?.rules, [
    { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailJob', onExitCodes: { containerName: 'agent', operator: 'NotIn', values: [0] } },
  ]);
  t.like(pod, {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 20,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
  });
});

test('every container is restricted', (t) => {
  const { pod, agent, runner } = build();
  t.like(pod.securityContext, { runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } });
  for (const container of [agent, runner]) {
    t.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    });
    t.is(container.terminationMessagePolicy, 'FallbackToLogsOnError');
  }
});

test('the runner has the resources of the order, and no secret, token, label or address', (t) => {
  const { runner, template } = build({ kaggleCredentialsSecret: 'kaggle', claudeKeySecret: 'claude', sinkUrl: 'http://broker/x' });
  t.is(runner.restartPolicy, 'Always');
  t.deepEqual(runner.resources, {
    requests: { cpu: '20m', memory: '2Gi', 'ephemeral-storage': '256Mi' },
    limits: { cpu: '1', memory: '4Gi', 'ephemeral-storage': '4608Mi' },
  });
  t.deepEqual(runner.env?.map((each) => each.name).sort(), [
    'HOME',
    'KAGGLE_AGENT_PYTHON',
    'KAGGLE_AGENT_RUNNER_SOCKET',
    'KAGGLE_AGENT_RUNS_DIR',
    'KAGGLE_AGENT_RUN_DISK_MIB',
  ]);
  // Four times that fits into the volume: one that is too full ends the pod.
  t.is(runner.env?.find((each) => each.name === 'KAGGLE_AGENT_RUN_DISK_MIB')?.value, '1024');
  t.deepEqual(runner.volumeMounts?.map((each) => each.name).sort(), ['runner-tmp', 'runs']);
  t.false(JSON.stringify(runner).includes(order.token));
  t.is(template.metadata?.annotations?.['kaggle-agent.dev/token'], order.token);
  t.deepEqual(runner.command?.slice(0, 4), ['/app/.venv/bin/python', '-I', '/app/agent/python/confine.py', '--']);
});

test('the agent has its secrets as files, and its memory grows with a retry after "out of memory"', (t) => {
  const { agent, pod } = build({ kaggleCredentialsSecret: 'kaggle', gcsEndpoint: 'http://gcs:4443' });
  t.like(agent.resources, { requests: { cpu: '250m', memory: '512Mi' }, limits: { cpu: '1', memory: '2Gi' } });
  const env = new Map(agent.env?.map((each) => [each.name, each.value]));
  t.is(env.get('KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE'), '/etc/kaggle-agent/kaggle/credentials.json');
  t.is(env.get('KAGGLE_AGENT_GCS_ENDPOINT'), 'http://gcs:4443');
  t.is(env.get('KAGGLE_AGENT_SPEC_FILE'), '/etc/kaggle-agent/attempt/spec.json');
  t.false(env.has('K_SINK'), 'nothing is set that the installation did not name');
  t.like(
    pod.volumes?.find((volume) => volume.name === 'kaggle'),
    { secret: { secretName: 'kaggle' } },
  );
  for (const volume of pod.volumes?.filter((each) => each.emptyDir !== undefined) ?? []) t.truthy(volume.emptyDir?.sizeLimit, volume.name);
});

test('Claude’s key, address and models reach the agent alone', (t) => {
  const { agent, runner, pod } = build({
    claudeKeySecret: 'key',
    claudeApiBase: 'https://gateway.example/claude',
    claudeModelsConfigMap: 'models',
  });
  const env = new Map(agent.env?.map((each) => [each.name, each.value]));
  t.is(env.get('KAGGLE_AGENT_CLAUDE_KEY_FILE'), '/etc/kaggle-agent/claude/key');
  t.is(env.get('KAGGLE_AGENT_CLAUDE_API_BASE'), 'https://gateway.example/claude');
  t.is(env.get('KAGGLE_AGENT_MODELS_FILE'), '/etc/kaggle-agent/models/models.json');
  t.like(
    pod.volumes?.find(({ name }) => name === 'models'),
    { configMap: { name: 'models' } },
  );
  t.true(agent.volumeMounts?.some(({ name, readOnly }) => name === 'models' && readOnly === true));
  t.false(/models|claude|gateway/.test(JSON.stringify([runner.env, runner.volumeMounts])));
  t.false(build().agent.env?.some(({ name }) => /CLAUDE|MODELS/.test(name)));
});

test('queue, runtime class, priority, places and trace are set only when they are given', (t) => {
  const plain = build();
  for (const key of ['runtimeClassName', 'priorityClassName', 'imagePullSecrets', 'nodeSelector', 'tolerations'])
    t.false(key in plain.pod, key);
  const { job, pod } = build({
    queueName: 'solvers',
    runtimeClassName: 'gvisor',
    priorityClassName: 'low',
    nodeSelector: { pool: 'solvers' },
    tolerations: [{ key: 'solvers', operator: 'Exists' }],
  });
  t.is(job.metadata?.labels?.['kueue.x-k8s.io/queue-name'], 'solvers');
  t.like(pod, {
    runtimeClassName: 'gvisor',
    priorityClassName: 'low',
    nodeSelector: { pool: 'solvers' },
    tolerations: [{ key: 'solvers' }],
  });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const spec: unknown = { ...(typeof order.spec === 'object' ? order.spec : {}), traceparent };
  t.is(buildJob({ ...order, spec }, JOBS).metadata?.annotations?.['kaggle-agent.dev/traceparent'], traceparent);
});

test('a name or a spec that is none of ours is refused', (t) => {
  for (const broken of [
    { ...order, jobName: 'Not A Name' },
    { ...order, spec: { jobId: 1 } },
  ]) {
    const error = t.throws(() => buildJob(broken, JOBS), { instanceOf: RunnerError });
    t.is(error?.kind, 'refused');
  }
});

test('settings files are merged left to right, one level deep', (t) => {
  const settings = parsePodSettings([
    {
      name: 'a.json',
      text: '{"storageUrl": "gs://a", "agentResources": {"cpuMillis": 500, "memoryMib": 1024}, "tolerations": [{"key": "x"}]}',
    },
    { name: 'b.json', text: '{"storageUrl": "gs://b", "agentResources": {"memoryMib": 2048}, "tolerations": []}' },
  ]);
  t.like(settings, {
    storageUrl: 'gs://b',
    agentResources: { cpuMillis: 500, memoryMib: 2048 },
    tolerations: [],
    scratchMib: 4096,
    graceS: 20,
  });
});

for (const [title, text, words] of [
  ['that is not JSON', '{', /pod settings file pod\.json is not JSON/],
  ['that is a list', '[]', /pod\.json must hold one JSON object/],
  ['without storage', '{}', /\(pod\.json\) are wrong: storageUrl/],
  ['with an unknown key', '{"storageUrl": "gs://b", "storgeUrl": "x"}', /storgeUrl/],
  ['with a folder for storage', '{"storageUrl": "file:/x"}', /expected gs:\/\/bucket/],
] as const) {
  test(`a settings file ${title} is an error that names it`, (t) => {
    t.throws(() => parsePodSettings([{ name: 'pod.json', text }]), { message: words });
  });
}
