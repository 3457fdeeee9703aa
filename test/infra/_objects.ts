import { z } from 'zod';
import type { Manifest } from '../../scripts/deploy/render.ts';
import { nameManifest } from '../../scripts/deploy/render.ts';

const names = z.record(z.string(), z.string()).default({});
const Values = z.record(z.string(), z.union([z.string(), z.number()]));
const SecurityContext = z
  .object({
    privileged: z.boolean().optional(),
    runAsNonRoot: z.boolean().optional(),
    runAsUser: z.number().optional(),
    allowPrivilegeEscalation: z.boolean().optional(),
    readOnlyRootFilesystem: z.boolean().optional(),
    capabilities: z.object({ drop: z.array(z.string()).default([]), add: z.array(z.string()).default([]) }).optional(),
    seccompProfile: z.object({ type: z.string() }).optional(),
  })
  .loose();
const SecretKey = z.object({ name: z.string(), key: z.string() });
const Env = z.object({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z.object({ secretKeyRef: SecretKey.optional() }).loose().optional(),
});
const Container = z
  .object({
    name: z.string(),
    image: z.string(),
    env: z.array(Env).default([]),
    envFrom: z.array(z.object({ secretRef: z.object({ name: z.string() }).optional() }).loose()).default([]),
    ports: z.array(z.object({ hostPort: z.number().optional() }).loose()).default([]),
    resources: z.object({ requests: Values.default({}), limits: Values.default({}) }).default({ requests: {}, limits: {} }),
    securityContext: SecurityContext.default({}),
    volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() }).loose()).default([]),
  })
  .loose();
const Volume = z.object({ name: z.string(), secret: z.object({ secretName: z.string() }).loose().optional() }).loose();

/** The parts of a pod's specification that the rules look at. */
const PodSpec = z
  .object({
    serviceAccountName: z.string().optional(),
    automountServiceAccountToken: z.boolean().optional(),
    enableServiceLinks: z.boolean().optional(),
    hostNetwork: z.boolean().optional(),
    hostPID: z.boolean().optional(),
    hostIPC: z.boolean().optional(),
    securityContext: SecurityContext.default({}),
    imagePullSecrets: z.array(z.object({ name: z.string() })).default([]),
    initContainers: z.array(Container).default([]),
    containers: z.array(Container),
    volumes: z.array(Volume).default([]),
    containerConcurrency: z.number().optional(),
    timeoutSeconds: z.number().optional(),
  })
  .loose();
const WithTemplate = z.object({
  spec: z.object({
    template: z.object({
      metadata: z.object({ labels: names, annotations: names }).default({ labels: {}, annotations: {} }),
      spec: PodSpec,
    }),
  }),
});
const Labelled = z.object({ metadata: z.object({ labels: names, annotations: names }) });

/** A pod as a Deployment, a Job or a Knative Service makes it. */
export interface PodTemplate {
  readonly title: string;
  readonly owner: Manifest;
  readonly namespace: string;
  readonly component: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: z.infer<typeof PodSpec>;
}

/** Every pod that the objects make; throws when one is not readable. */
export function listPods(objects: readonly Manifest[]): PodTemplate[] {
  return objects
    .filter(
      (object) => isKnativeService(object) || ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob', 'Pod'].includes(object.kind),
    )
    .map((owner) => {
      const { template } = WithTemplate.parse(owner).spec;
      const { labels, annotations } = template.metadata;
      const component = labels['app.kubernetes.io/component'] ?? '';
      return { title: nameManifest(owner), owner, namespace: owner.metadata.namespace ?? '', component, annotations, spec: template.spec };
    });
}

/** True for Knative's kind Service, which shares its name with Kubernetes' own. */
export function isKnativeService(object: Manifest): boolean {
  return object.kind === 'Service' && object.apiVersion.startsWith('serving.knative.dev/');
}

/** Labels and annotations of an object, never absent. */
export function readLabels(object: Manifest): z.infer<typeof Labelled>['metadata'] {
  return Labelled.parse(object).metadata;
}

/** Init containers and containers of a pod. */
export function listContainers({ spec }: PodTemplate): z.infer<typeof Container>[] {
  return [...spec.initContainers, ...spec.containers];
}
