import type { Manifest } from '../../scripts/deploy/render.ts';
import type { PodTemplate } from './_objects.ts';
import { listContainers, listPods } from './_objects.ts';

/** A rule of the house: what is wrong with an installation, one line each. */
export type Rule = (objects: readonly Manifest[]) => string[];

const eachPod =
  (judge: (pod: PodTemplate) => (string | false)[]): Rule =>
  (objects) =>
    listPods(objects).flatMap((pod) => judge(pod).flatMap((problem) => (problem === false ? [] : [`${pod.title}: ${problem}`])));

/** Nothing of the node: no host namespaces, ports or folders. */
export const staysOffTheNode: Rule = eachPod((pod) => [
  pod.spec.hostNetwork === true && 'uses hostNetwork',
  pod.spec.hostPID === true && 'uses hostPID',
  pod.spec.hostIPC === true && 'uses hostIPC',
  ...listContainers(pod).map(
    (container) => container.ports.some((port) => port.hostPort !== undefined) && `${container.name} uses a hostPort`,
  ),
  ...pod.spec.volumes.map((volume) => {
    const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'nothing';
    const isAllowed = ['secret', 'configMap', 'emptyDir', 'downwardAPI', 'projected'].includes(kind);
    return !isAllowed && `volume ${volume.name} is of kind ${kind}`;
  }),
]);

/** What Pod Security `restricted` asks for, and a read-only root besides. */
export const isRestricted: Rule = eachPod((pod) =>
  listContainers(pod).flatMap(({ name, securityContext: own }) => {
    const outer = pod.spec.securityContext;
    return [
      own.privileged === true && `${name} is privileged`,
      (own.runAsNonRoot ?? outer.runAsNonRoot) !== true && `${name} may run as root`,
      (own.runAsUser ?? outer.runAsUser ?? 0) === 0 && `${name} names no user of its own`,
      own.allowPrivilegeEscalation !== false && `${name} may gain privileges`,
      own.readOnlyRootFilesystem !== true && `${name} may write to its root`,
      (own.capabilities?.drop.includes('ALL') !== true || own.capabilities.add.length > 0) && `${name} keeps capabilities`,
      (own.seccompProfile ?? outer.seccompProfile)?.type !== 'RuntimeDefault' && `${name} has no seccomp profile`,
    ];
  }),
);

/** Requests and limits of both CPU and memory; scratch space is bounded. */
export const isBounded: Rule = eachPod((pod) => [
  ...listContainers(pod).flatMap(({ name, resources }) =>
    ['cpu', 'memory'].flatMap((what) => [
      resources.requests[what] === undefined && `${name} requests no ${what}`,
      resources.limits[what] === undefined && `${name} has no limit of ${what}`,
    ]),
  ),
  ...pod.spec.volumes.map((volume) => {
    const emptyDir = volume['emptyDir'];
    return typeof emptyDir === 'object' && emptyDir !== null && !('sizeLimit' in emptyDir) && `volume ${volume.name} has no sizeLimit`;
  }),
]);

/** Images carry a tag or digest that is not `latest`. */
export const namesItsImages: Rule = eachPod((pod) =>
  listContainers(pod).map(
    ({ name, image }) =>
      (!/(:[^/:@]+|@sha256:[0-9a-f]{64})$/.test(image) || image.endsWith(':latest')) && `${name} runs ${image}: no fixed version`,
  ),
);

/** Accounts that use the API server. Knative refuses pods that opt in, so the accounts themselves do. */
const TOKEN_ACCOUNTS: readonly string[] = ['job-launcher', 'collector', 'reconciler', 'job-signals'];

/** Every pod has an account of its own, and only four accounts mount a token. */
export const keepsTokensAway: Rule = (objects) => {
  const accounts = objects.filter((object) => object.kind === 'ServiceAccount');
  const known = new Set(accounts.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  const ofAccounts = accounts.flatMap(({ metadata, ...account }) => {
    const wanted = metadata.namespace === 'plane' && TOKEN_ACCOUNTS.includes(metadata.name);
    return account['automountServiceAccountToken'] === wanted
      ? []
      : [`ServiceAccount ${metadata.name}: automountServiceAccountToken must be ${wanted}`];
  });
  const ofPods = eachPod(({ namespace, component, spec }) => {
    const account = spec.serviceAccountName ?? 'default';
    const opened = TOKEN_ACCOUNTS.includes(account);
    return [
      account === 'default' && 'runs as the default account',
      account !== 'default' && !known.has(`${namespace}/${account}`) && `runs as ${account}, which is nowhere`,
      account !== component && `is called ${component} but runs as ${account}`,
      !opened && spec.automountServiceAccountToken !== false && 'mounts a token',
      opened && spec.automountServiceAccountToken !== undefined && 'says automountServiceAccountToken, which Knative refuses',
      spec.enableServiceLinks !== false && 'gets the addresses of all Services in its environment',
    ];
  })(objects);
  return [...ofAccounts, ...ofPods];
};

/** Which component may hold which Secret. */
const SECRET_HOLDERS: Readonly<Record<string, readonly string[]>> = {
  'database-owner': ['migrate'],
  'database-writer': ['submit', 'job-launcher', 'collector', 'reconciler', 'dead-letter'],
  'database-reader': ['status', 'result'],
  'plane-key': ['job-launcher', 'collector'],
  'api-keys': ['submit', 'status', 'result'],
  'database-passwords': ['postgres'],
};

/** Secrets are made outside, referred to by name, and by those alone that need them. */
export const keepsSecretsInTheirZones: Rule = (objects) => [
  ...objects.flatMap((object) => (object.kind === 'Secret' ? [`Secret ${object.metadata.name}: its contents are in the manifests`] : [])),
  ...eachPod((pod) => [
    ...listSecrets(pod).map(
      (name) => SECRET_HOLDERS[name]?.includes(pod.component) !== true && `refers to the Secret ${name}, which it must not hold`,
    ),
    ...listContainers(pod).flatMap(({ name, env }) =>
      env.map((entry) => {
        const isSecret = /(PASSWORD|SECRET|TOKEN|KEY|DATABASE_URL)$/.test(entry.name) || /:\/\/[^/\s]*:[^/\s]*@/.test(entry.value ?? '');
        return isSecret && entry.value !== undefined && `${name} has the secret ${entry.name} in plain text`;
      }),
    ),
  ])(objects),
];

function listSecrets(pod: PodTemplate): string[] {
  const names: (string | undefined)[] = [
    ...pod.spec.imagePullSecrets.map(({ name }) => name),
    ...pod.spec.volumes.map((volume) => volume.secret?.secretName),
    ...listContainers(pod).flatMap(({ env, envFrom }) => [
      ...env.map((entry) => entry.valueFrom?.secretKeyRef?.name),
      ...envFrom.map((source) => source.secretRef?.name),
    ]),
  ];
  return names.filter((name) => name !== undefined);
}
