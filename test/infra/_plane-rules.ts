import { z } from 'zod';
import type { Manifest } from '../../scripts/deploy/render.ts';
import type { Rule } from './_pod-rules.ts';
import { isKnativeService, listPods, readLabels } from './_objects.ts';
import { nameManifest } from '../../scripts/deploy/render.ts';

const ofKind = (objects: readonly Manifest[], kind: string) =>
  objects.filter((object) => object.kind === kind && !isKnativeService(object));

const RoleRules = z.object({
  rules: z.array(z.object({ apiGroups: z.array(z.string()), resources: z.array(z.string()), verbs: z.array(z.string()) }).loose()),
});

/** Rights are Roles of one namespace, spelled out, and never reach Secrets or into pods. */
export const grantsLittle: Rule = (objects) => [
  ...objects.flatMap((object) => (object.kind.startsWith('ClusterRole') ? [`${nameManifest(object)}: rights in the whole cluster`] : [])),
  ...ofKind(objects, 'Role').flatMap((role) =>
    RoleRules.parse(role).rules.flatMap(({ apiGroups, resources, verbs }) => {
      const words = [...apiGroups, ...resources, ...verbs];
      const forbidden = resources.filter(
        (resource) => /^(secrets|serviceaccounts|roles|rolebindings)(\/|$)/.test(resource) || /^pods\/./.test(resource),
      );
      return [
        ...(words.some((word) => word.includes('*')) ? [`${nameManifest(role)}: has a wildcard`] : []),
        ...forbidden.map((resource) => `${nameManifest(role)}: reaches ${resource}`),
      ];
    }),
  ),
];

const Port = z.object({
  port: z.union([z.number(), z.string()]).optional(),
  protocol: z.string().optional(),
  endPort: z.number().optional(),
});
const Peer = z.object({ ipBlock: z.object({ cidr: z.string(), except: z.array(z.string()).default([]) }).optional() }).loose();
const Policy = z.object({
  spec: z.object({
    podSelector: z.record(z.string(), z.unknown()),
    policyTypes: z.array(z.string()),
    ingress: z.array(z.object({ from: z.array(Peer).default([]), ports: z.array(Port).default([]) })).default([]),
    egress: z.array(z.object({ to: z.array(Peer).default([]), ports: z.array(Port).default([]) })).default([]),
  }),
});
const MUST_EXCEPT = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'];

/** Both namespaces enforce `restricted` and deny all traffic both ways, and nothing of ours lies outside of them. */
export const closesItsNamespaces: Rule = (objects) => {
  const namespaces = ofKind(objects, 'Namespace');
  const known = new Set(namespaces.map(({ metadata }) => metadata.name));
  const policies = ofKind(objects, 'NetworkPolicy').map((object) => ({
    namespace: object.metadata.namespace,
    ...Policy.parse(object).spec,
  }));
  return [
    ...namespaces.flatMap((object) => {
      const { name } = object.metadata;
      const isDenied = (way: 'Ingress' | 'Egress') =>
        policies.some(({ namespace, podSelector, policyTypes, ingress, egress }) => {
          const isForAll = namespace === name && Object.keys(podSelector).length === 0 && policyTypes.includes(way);
          return isForAll && (way === 'Ingress' ? ingress : egress).length === 0;
        });
      return [
        ...(readLabels(object).labels['pod-security.kubernetes.io/enforce'] === 'restricted'
          ? []
          : [`Namespace ${name}: does not enforce "restricted"`]),
        ...(['Ingress', 'Egress'] as const).flatMap((way) => (isDenied(way) ? [] : [`Namespace ${name}: no default-deny of ${way}`])),
      ];
    }),
    ...objects.flatMap((object) => {
      const { namespace } = object.metadata;
      const isOurs = namespace === undefined || known.has(namespace) || object.kind === 'ReferenceGrant';
      return isOurs ? [] : [`${nameManifest(object)}: lies in a namespace that is not ours`];
    }),
  ];
};

/** What a NetworkPolicy opens, it opens to somebody and on named ports; "everywhere" leaves out private and link-local addresses. */
export const opensLittle: Rule = (objects) =>
  ofKind(objects, 'NetworkPolicy').flatMap((object) => {
    const { spec } = Policy.parse(object);
    const rules = [
      ...spec.ingress.map(({ from, ports }) => ({ peers: from, ports })),
      ...spec.egress.map(({ to, ports }) => ({ peers: to, ports })),
    ];
    return rules.flatMap(({ peers, ports }) => [
      ...(peers.length === 0 || peers.some((peer) => Object.keys(peer).length === 0) ? [`${nameManifest(object)}: open to everybody`] : []),
      ...(ports.length === 0 || ports.some(({ port, endPort }) => port === undefined || endPort !== undefined)
        ? [`${nameManifest(object)}: open on ports without a name`]
        : []),
      ...peers.flatMap(({ ipBlock }) => {
        const missing = ipBlock?.cidr === '0.0.0.0/0' ? MUST_EXCEPT.filter((range) => !ipBlock.except.includes(range)) : [];
        return missing.map((range) => `${nameManifest(object)}: reaches ${range}`);
      }),
    ]);
  });

const Delivery = z
  .object({ retry: z.number(), backoffPolicy: z.string(), backoffDelay: z.string(), timeout: z.string(), deadLetterSink: z.unknown() })
  .partial();
const Trigger = z.object({
  spec: z.object({
    broker: z.string(),
    filters: z.array(z.object({ any: z.array(z.object({ exact: z.object({ type: z.string() }) }).strict()).min(1) }).strict()).optional(),
    delivery: Delivery.default({}),
  }),
});
const BrokerSpec = z.object({
  spec: z
    .object({ delivery: Delivery.default({}) })
    .loose()
    .default({ delivery: {} }),
});
const Source = z.object({ spec: z.object({ sink: z.object({ ref: z.object({ kind: z.string(), name: z.string() }).loose() }) }).loose() });

/** Triggers filter by type and spell their delivery out; dead letters are kept of `intake` only; the tick passes by no broker. */
export const deliversAsAgreed: Rule = (objects) => [
  ...ofKind(objects, 'Trigger').flatMap((object) => {
    const title = nameManifest(object);
    const parsed = Trigger.safeParse(object);
    if (!parsed.success) return [`${title}: does not filter by type alone`];
    const { broker, filters, delivery } = parsed.data.spec;
    const missing = (['retry', 'backoffPolicy', 'backoffDelay', 'timeout'] as const).filter((key) => delivery[key] === undefined);
    return [
      ...(filters === undefined || filters.length === 0 ? [`${title}: does not filter by type alone`] : []),
      ...missing.map((key) => `${title}: does not say ${key}`),
      ...((delivery.deadLetterSink !== undefined) === (broker === 'intake')
        ? []
        : [`${title}: dead letters are for triggers of intake, and for all of them`]),
    ];
  }),
  ...ofKind(objects, 'Broker').flatMap((object) => {
    const { delivery } = BrokerSpec.parse(object).spec;
    const isAsync = readLabels(object).annotations['messaging.knative.dev/async-handler'] === 'true';
    return [
      ...(delivery.deadLetterSink === undefined
        ? []
        : [`${nameManifest(object)}: a broker's dead-letter sink can't be switched off by its triggers`]),
      ...(isAsync === (object.metadata.name === 'signals')
        ? []
        : [`${nameManifest(object)}: only signals answers before its triggers have`]),
    ];
  }),
  ...ofKind(objects, 'PingSource').flatMap((object) => {
    const { ref } = Source.parse(object).spec.sink;
    return ref.kind === 'Service' && ref.name === 'reconciler' ? [] : [`${nameManifest(object)}: must go straight to the reconciler`];
  }),
];

const PUBLIC = ['submit', 'status', 'result'];
const VISIBILITY = 'networking.knative.dev/visibility';
/** PostgreSQL's default of 100, less what it keeps for superusers. */
const CONNECTIONS = 97;

/** Three functions are public; none can take more connections than Postgres has, nor outlive the time that it is told. */
export const servesAsAgreed: Rule = (objects) => {
  const pods = listPods(objects).filter(({ owner }) => isKnativeService(owner));
  const read = (pod: (typeof pods)[number], name: string) => pod.spec.containers[0]?.env.find((entry) => entry.name === name)?.value;
  const connections = pods.reduce((sum, pod) => {
    return sum + Number(pod.annotations['autoscaling.knative.dev/max-scale']) * Number(read(pod, 'KAGGLE_AGENT_DATABASE_CONNECTIONS'));
  }, 0);
  return [
    ...pods.flatMap((pod) => {
      const isPublic = readLabels(pod.owner).labels[VISIBILITY] !== 'cluster-local';
      const timeout = read(pod, 'KAGGLE_AGENT_REQUEST_TIMEOUT_S');
      return [
        ...(isPublic === PUBLIC.includes(pod.component)
          ? []
          : [`${pod.title}: ${isPublic ? 'is open to the world' : 'can not be reached'}`]),
        ...(timeout === String(pod.spec.timeoutSeconds)
          ? []
          : [`${pod.title}: is told ${timeout} s, but cut off after ${pod.spec.timeoutSeconds} s`]),
        ...(pod.annotations['autoscaling.knative.dev/min-scale'] === undefined ? [`${pod.title}: does not say min-scale`] : []),
      ];
    }),
    ...(connections <= CONNECTIONS ? [] : [`the functions may open ${connections} connections; Postgres has ${CONNECTIONS}`]),
  ];
};
