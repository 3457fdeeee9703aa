import type {
  V1Container,
  V1EnvVar,
  V1PodSpec,
  V1ResourceRequirements,
  V1SecurityContext,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import type { JobSpec } from '#core/job-spec.ts';
import { formatCpu, formatMemory } from '#core/quantity.ts';
import { ANNOTATIONS, CONTAINERS } from './labels.ts';
import type { JobSettings, PodSettings } from './pod-settings.ts';

const USER_ID = 65_532;
const WORK_DIR = '/var/lib/kaggle-agent';
const RUNS_DIR = '/var/run/kaggle-agent';
const ATTEMPT_DIR = '/etc/kaggle-agent/attempt';
const KAGGLE_DIR = '/etc/kaggle-agent/kaggle';
const CLAUDE_DIR = '/etc/kaggle-agent/claude';
const MODELS_DIR = '/etc/kaggle-agent/models';
const SOCKET = `${RUNS_DIR}/runner.sock`;
const RUN_FILES = `${RUNS_DIR}/work`;
const PYTHON = '/app/.venv/bin/python';
const TMP_MIB = 512;
/** A volume that is too full ends the whole pod: two runs and their data must fit, each with what it may write. */
const RUNS_A_VOLUME = 4;
const STORAGE_REQUEST_MIB = 256;
const LEAST_CPU_LIMIT_MILLIS = 1000;
/** Readable by the pod's group alone. */
const SECRET_MODE = 0o440;

const CONTAINER_SECURITY: V1SecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
};

/** The pod of an attempt: the agent, and beside it the runner of solutions, which holds no secret, no token and no label. */
export function buildPodSpec(spec: JobSpec, settings: JobSettings): V1PodSpec {
  const { pod } = settings;
  return {
    restartPolicy: 'Never',
    serviceAccountName: pod.serviceAccountName,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: pod.graceS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      fsGroup: USER_ID,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...(pod.runtimeClassName !== null && { runtimeClassName: pod.runtimeClassName }),
    ...(pod.priorityClassName !== null && { priorityClassName: pod.priorityClassName }),
    ...(pod.imagePullSecret !== null && { imagePullSecrets: [{ name: pod.imagePullSecret }] }),
    ...(Object.keys(pod.nodeSelector).length > 0 && { nodeSelector: pod.nodeSelector }),
    ...(pod.tolerations.length > 0 && { tolerations: pod.tolerations }),
    initContainers: [buildRunner(spec, settings)],
    containers: [buildAgent(spec, settings)],
    volumes: buildVolumes(pod),
  };
}

function buildAgent(spec: JobSpec, settings: JobSettings): V1Container {
  const { pod } = settings;
  const { cpuMillis, memoryMib } = pod.agentResources;
  // A retry after "out of memory" asks for more memory: it must reach the container whose end ended the attempt, this one.
  const limitMib = Math.max(2 * memoryMib, spec.resources.memoryMib);
  return {
    ...buildContainer(CONTAINERS.agent, settings),
    command: [...settings.agentCommand],
    env: buildAgentEnv(pod),
    resources: buildResources({ cpuMillis, memoryMib, limitMib, scratchMib: pod.scratchMib }),
    volumeMounts: [
      { name: 'labels', mountPath: WORK_DIR },
      { name: 'runs', mountPath: RUNS_DIR },
      { name: 'agent-tmp', mountPath: '/tmp' },
      { name: 'attempt', mountPath: ATTEMPT_DIR, readOnly: true },
      ...mountReadOnly('kaggle', KAGGLE_DIR, pod.kaggleCredentialsSecret),
      ...mountReadOnly('claude', CLAUDE_DIR, pod.claudeKeySecret),
      ...mountReadOnly('models', MODELS_DIR, pod.claudeModelsConfigMap),
    ],
  };
}

/** A native sidecar: it ends when the agent has ended, and its own end never ends the attempt. */
function buildRunner(spec: JobSpec, settings: JobSettings): V1Container {
  const { cpuMillis, memoryMib } = spec.resources;
  return {
    ...buildContainer(CONTAINERS.runner, settings),
    restartPolicy: 'Always',
    command: [...settings.runnerCommand],
    env: [
      { name: 'KAGGLE_AGENT_RUNNER_SOCKET', value: SOCKET },
      { name: 'KAGGLE_AGENT_RUNS_DIR', value: RUN_FILES },
      { name: 'KAGGLE_AGENT_PYTHON', value: PYTHON },
      { name: 'KAGGLE_AGENT_RUN_DISK_MIB', value: String(Math.max(1, Math.floor(settings.pod.scratchMib / RUNS_A_VOLUME))) },
      { name: 'HOME', value: '/tmp' },
    ],
    resources: buildResources({ cpuMillis, memoryMib, limitMib: 2 * memoryMib, scratchMib: settings.pod.scratchMib }),
    volumeMounts: [
      { name: 'runs', mountPath: RUNS_DIR },
      { name: 'runner-tmp', mountPath: '/tmp' },
    ],
  };
}

function buildContainer(name: string, { image, pod }: JobSettings): V1Container {
  return {
    name,
    image,
    imagePullPolicy: pod.imagePullPolicy,
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: CONTAINER_SECURITY,
  };
}

function buildAgentEnv(pod: PodSettings): V1EnvVar[] {
  const values: readonly (readonly [string, string | null])[] = [
    ['KAGGLE_AGENT_SPEC_FILE', `${ATTEMPT_DIR}/spec.json`],
    ['KAGGLE_AGENT_TOKEN_FILE', `${ATTEMPT_DIR}/token`],
    ['KAGGLE_AGENT_STORAGE_URL', pod.storageUrl],
    ['KAGGLE_AGENT_GCS_ENDPOINT', pod.gcsEndpoint],
    ['K_SINK', pod.sinkUrl],
    ['KAGGLE_AGENT_KAGGLE_API_BASE', pod.kaggleApiBase],
    ['KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE', pod.kaggleCredentialsSecret === null ? null : `${KAGGLE_DIR}/credentials.json`],
    ['KAGGLE_AGENT_CLAUDE_KEY_FILE', pod.claudeKeySecret === null ? null : `${CLAUDE_DIR}/key`],
    ['KAGGLE_AGENT_CLAUDE_API_BASE', pod.claudeApiBase],
    ['KAGGLE_AGENT_MODELS_FILE', pod.claudeModelsConfigMap === null ? null : `${MODELS_DIR}/models.json`],
    ['KAGGLE_AGENT_WORK_DIR', WORK_DIR],
    // The downloaded data lie on the same volume.
    ['KAGGLE_AGENT_STAGING_MIB', String(Math.max(1, Math.floor(pod.scratchMib / 2)))],
    ['KAGGLE_AGENT_RUNNER_SOCKET', SOCKET],
    ['KAGGLE_AGENT_RUNS_DIR', RUN_FILES],
    ['HOME', '/tmp'],
  ];
  return [
    ...values.flatMap(([name, value]) => (value === null ? [] : [{ name, value }])),
    { name: 'KAGGLE_AGENT_POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'KAGGLE_AGENT_POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } },
  ];
}

/** Limits are twice the requests, and a whole core at least: a start-up on a quarter of a core would take longer than the work. */
function buildResources(size: { cpuMillis: number; memoryMib: number; limitMib: number; scratchMib: number }): V1ResourceRequirements {
  return {
    requests: {
      cpu: formatCpu(size.cpuMillis),
      memory: formatMemory(size.memoryMib),
      'ephemeral-storage': formatMemory(STORAGE_REQUEST_MIB),
    },
    limits: {
      cpu: formatCpu(Math.max(2 * size.cpuMillis, LEAST_CPU_LIMIT_MILLIS)),
      memory: formatMemory(size.limitMib),
      'ephemeral-storage': formatMemory(size.scratchMib + TMP_MIB),
    },
  };
}

function buildVolumes(pod: PodSettings): V1Volume[] {
  const scratch = formatMemory(pod.scratchMib);
  const tmp = formatMemory(TMP_MIB);
  return [
    { name: 'labels', emptyDir: { sizeLimit: scratch } },
    { name: 'runs', emptyDir: { sizeLimit: scratch } },
    { name: 'agent-tmp', emptyDir: { sizeLimit: tmp } },
    { name: 'runner-tmp', emptyDir: { sizeLimit: tmp } },
    {
      name: 'attempt',
      downwardAPI: {
        defaultMode: SECRET_MODE,
        items: [
          { path: 'spec.json', fieldRef: { fieldPath: `metadata.annotations['${ANNOTATIONS.spec}']` } },
          { path: 'token', fieldRef: { fieldPath: `metadata.annotations['${ANNOTATIONS.token}']` } },
        ],
      },
    },
    ...secretVolume('kaggle', pod.kaggleCredentialsSecret),
    ...secretVolume('claude', pod.claudeKeySecret),
    ...(pod.claudeModelsConfigMap === null ? [] : [{ name: 'models', configMap: { name: pod.claudeModelsConfigMap } }]),
  ];
}

function secretVolume(name: string, secretName: string | null): V1Volume[] {
  return secretName === null ? [] : [{ name, secret: { secretName, defaultMode: SECRET_MODE } }];
}

function mountReadOnly(name: string, mountPath: string, sourceName: string | null): V1VolumeMount[] {
  return sourceName === null ? [] : [{ name, mountPath, readOnly: true }];
}
