import { requireSetting } from '#test/cluster/_harness.ts';

/** A namespace of the bench's own: what is compared with our functions and our launcher. */
export const NAMESPACE = 'bench-cold';
// As process 1 it gets no default for SIGTERM: without a handler it would stay for its whole grace.
const BARE_PROGRAM = `require('node:http').createServer((request, response) => response.end('ok')).listen(process.env.PORT);
process.on('SIGTERM', () => process.exit(0));`;
const SECURITY = {
  runAsNonRoot: true,
  runAsUser: 65_532,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

/** A bare `node:http` server from the functions' own image, with the resources, probes and scaling of `submit`. */
function bareService(image: string): object {
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'bare', namespace: NAMESPACE },
    spec: {
      template: {
        metadata: { annotations: { 'autoscaling.knative.dev/min-scale': '0', 'autoscaling.knative.dev/max-scale': '5' } },
        spec: {
          enableServiceLinks: false,
          containers: [
            {
              name: 'bare',
              image,
              imagePullPolicy: 'IfNotPresent',
              command: ['node', '-e', BARE_PROGRAM],
              readinessProbe: { httpGet: { path: '/' }, periodSeconds: 0 },
              resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { cpu: '1', memory: '512Mi' } },
              securityContext: SECURITY,
            },
          ],
        },
      },
    },
  };
}

/** Knative's own way from an event to a Job: broker, trigger, JobSink. Its Job ends at once. */
function jobSink(image: string): object[] {
  const container = { name: 'work', image, imagePullPolicy: 'IfNotPresent', command: ['node', '-e', '0'], securityContext: SECURITY };
  const template = { spec: { restartPolicy: 'Never', containers: [container] } };
  return [
    { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', metadata: { name: 'bench', namespace: NAMESPACE } },
    {
      apiVersion: 'sinks.knative.dev/v1alpha1',
      kind: 'JobSink',
      metadata: { name: 'work', namespace: NAMESPACE },
      spec: { job: { spec: { backoffLimit: 0, template } } },
    },
    {
      apiVersion: 'eventing.knative.dev/v1',
      kind: 'Trigger',
      metadata: { name: 'work', namespace: NAMESPACE },
      spec: { broker: 'bench', subscriber: { ref: { apiVersion: 'sinks.knative.dev/v1alpha1', kind: 'JobSink', name: 'work' } } },
    },
  ];
}

/** Everything of the bench as one list for `kubectl apply`. `withJobSink`: the cluster has that kind. */
export function listObjects(withJobSink: boolean): string {
  const image = requireSetting('KAGGLE_AGENT_TEST_FUNCTIONS_IMAGE');
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } };
  const items = [namespace, bareService(image), ...(withJobSink ? jobSink(image) : [])];
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
