import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { TRIGGER_TABLE, buildTriggers } from '#adapters/broker/triggers.ts';
import { readFunctionConfig } from '#functions/http/config.ts';
import { makeTempDir } from '#test/_support/kaggle-stand-in.ts';
import type { Manifest } from '../../scripts/deploy/render.ts';
import { isKnativeService, listPods } from './_objects.ts';
import { readInstallations } from './_rendered.ts';

const installations = readInstallations();
const dev = installations.get('overlay-dev.yaml') ?? [];
const ofKind = (kind: string, objects: readonly Manifest[] = dev) => objects.filter((object) => object.kind === kind);

const Ref = z.object({
  ref: z.object({ apiVersion: z.literal('serving.knative.dev/v1'), kind: z.literal('Service'), name: z.string() }),
  uri: z.string().optional(),
});
const Trigger = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    broker: z.enum(['intake', 'signals']),
    filters: z.array(z.unknown()),
    subscriber: Ref,
    delivery: z.object({
      retry: z.number(),
      backoffPolicy: z.string(),
      backoffDelay: z.string(),
      timeout: z.string(),
      deadLetterSink: Ref.optional(),
    }),
  }),
});
const HOST = (name: string) => `http://${name}`;
const readMs = (duration: string) => Number(/^PT(\d+)S$/.exec(duration)?.[1]) * 1000;

test('the triggers of the cluster are those of the one-machine plane', (t) => {
  const targets = {
    submit: HOST('submit'),
    jobLauncher: HOST('job-launcher'),
    collector: HOST('collector'),
    deadLetter: HOST('dead-letter'),
  };
  for (const [name, objects] of installations) {
    const found = ofKind('Trigger', objects).map((object) => Trigger.parse(object));
    t.is(found.length, TRIGGER_TABLE.length, name);
    for (const broker of ['intake', 'signals'] as const) {
      const onCluster = found
        .filter(({ spec }) => spec.broker === broker)
        .map(({ metadata, spec: { filters, subscriber, delivery } }) => ({
          name: metadata.name,
          filters,
          subscriber: `${HOST(subscriber.ref.name)}${subscriber.uri ?? '/'}`,
          delivery: {
            retry: delivery.retry,
            backoffPolicy: delivery.backoffPolicy,
            backoffDelayMs: readMs(delivery.backoffDelay),
            timeoutMs: readMs(delivery.timeout),
            deadLetterSink:
              delivery.deadLetterSink === undefined
                ? null
                : `${HOST(delivery.deadLetterSink.ref.name)}${delivery.deadLetterSink.uri ?? ''}`,
          },
        }));
      const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
      t.deepEqual(
        onCluster.toSorted(byName),
        buildTriggers(broker, targets)
          .map((trigger) => ({ ...trigger }))
          .toSorted(byName),
        name,
      );
    }
  }
});

test('the source of Job changes watches our Jobs in "runs", as references, into signals', (t) => {
  const Source = z.object({ spec: z.record(z.string(), z.unknown()) });
  t.deepEqual(
    ofKind('ApiServerSource').map((object) => Source.parse(object).spec),
    [
      {
        serviceAccountName: 'job-signals',
        mode: 'Reference',
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'runs' } },
        resources: [{ apiVersion: 'batch/v1', kind: 'Job', selector: { matchLabels: { 'app.kubernetes.io/managed-by': 'kaggle-agent' } } }],
        sink: { ref: { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: 'signals' } },
      },
    ],
  );
});

test('the tick comes every minute in dev, every five elsewhere', (t) => {
  const Ping = z.object({ spec: z.object({ schedule: z.string() }) });
  for (const [name, objects] of installations) {
    const schedules = ofKind('PingSource', objects).map((object) => Ping.parse(object).spec.schedule);
    t.deepEqual(schedules, [name === 'overlay-dev.yaml' ? '* * * * *' : '*/5 * * * *'], name);
  }
});

const RIGHTS: Readonly<Record<string, readonly (readonly [group: string, resource: string, verbs: readonly string[]])[]>> = {
  'job-launcher': [['batch', 'jobs', ['create', 'get', 'list', 'delete']]],
  collector: [
    ['batch', 'jobs', ['get', 'list', 'patch']],
    ['', 'pods', ['get', 'list']],
  ],
  reconciler: [
    ['batch', 'jobs', ['get', 'list', 'patch']],
    ['', 'pods', ['get', 'list']],
  ],
  'job-signals': [['batch', 'jobs', ['get', 'list', 'watch']]],
};

test('four accounts have rights, in "runs" only, and exactly these', (t) => {
  const Role = z.object({
    metadata: z.object({ name: z.string(), namespace: z.literal('runs') }),
    rules: z.array(z.strictObject({ apiGroups: z.array(z.string()), resources: z.array(z.string()), verbs: z.array(z.string()) })),
  });
  const Binding = z.object({
    metadata: z.object({ namespace: z.literal('runs') }),
    roleRef: z.object({ kind: z.literal('Role'), name: z.string() }),
    subjects: z.array(z.object({ kind: z.literal('ServiceAccount'), name: z.string(), namespace: z.literal('plane') })),
  });
  for (const [name, objects] of installations) {
    const roles = new Map(ofKind('Role', objects).map((object) => [object.metadata.name, Role.parse(object).rules]));
    const rights = ofKind('RoleBinding', objects).flatMap((object) => {
      const { roleRef, subjects } = Binding.parse(object);
      const rules = roles.get(roleRef.name) ?? [];
      return subjects.map((subject) => [
        subject.name,
        rules.flatMap(({ apiGroups, resources, verbs }) =>
          apiGroups.flatMap((group) => resources.map((resource) => [group, resource, verbs])),
        ),
      ]);
    });
    t.deepEqual(Object.fromEntries(rights), RIGHTS, name);
    t.is(rights.length, roles.size, name);
  }
});

test('every function understands the settings that its Service gives it', async (t) => {
  const dir = await makeTempDir(t);
  const keyFile = join(dir, 'key');
  await writeFile(keyFile, 'a-plane-key');
  const needs: Readonly<Record<string, readonly ('storageUrl' | 'intakeUrl' | 'launcherUrl' | 'planeKey' | 'agentImage')[]>> = {
    submit: ['storageUrl', 'intakeUrl'],
    status: ['storageUrl'],
    result: ['storageUrl'],
    'job-launcher': ['storageUrl', 'intakeUrl', 'planeKey', 'agentImage'],
    collector: ['storageUrl', 'intakeUrl', 'planeKey'],
    reconciler: ['storageUrl', 'intakeUrl', 'launcherUrl'],
    'dead-letter': ['intakeUrl'],
  };
  for (const pod of listPods(dev).filter(({ owner }) => isKnativeService(owner))) {
    const container = pod.spec.containers[0];
    const given = container?.env.map(({ name, value }) => [name, value ?? 'postgres://user:word@host/database']) ?? [];
    const env: Record<string, string> = { ...Object.fromEntries(given), K_SERVICE: pod.component, PORT: '8080' };
    if (env['KAGGLE_AGENT_PLANE_KEY_FILE'] !== undefined) env['KAGGLE_AGENT_PLANE_KEY_FILE'] = keyFile;
    const isPublic = ['submit', 'status', 'result'].includes(pod.component);
    const config = readFunctionConfig(env, { isPublic });
    for (const need of needs[pod.component] ?? []) t.truthy(config.require(need), `${pod.component} ${need}`);
    const wantsCluster = ['job-launcher', 'collector', 'reconciler'].includes(pod.component);
    t.is(config.cluster?.kind ?? null, wantsCluster ? 'kubernetes' : null, pod.component);
    t.deepEqual(container?.['command'], ['node', `/app/${pod.component}.cjs`]);
  }
});

test('public functions of production have API keys, and those of dev have none', (t) => {
  for (const [name, objects] of installations) {
    for (const pod of listPods(objects).filter(({ component }) => ['submit', 'status', 'result'].includes(component))) {
      const [container] = pod.spec.containers;
      const file = container?.env.find((entry) => entry.name === 'KAGGLE_AGENT_API_KEYS_FILE')?.value;
      t.is(file, name === 'overlay-dev.yaml' ? undefined : '/etc/kaggle-agent/api-keys/keys', `${name} ${pod.component}`);
      t.is(
        pod.spec.volumes.some((volume) => volume.secret?.secretName === 'api-keys'),
        file !== undefined,
        `${name} ${pod.component}`,
      );
    }
  }
});

test('the gateway hands no events on: inside they would need no key', (t) => {
  const Route = z.object({
    spec: z.object({
      rules: z.array(
        z.object({
          matches: z.array(z.object({ method: z.string(), path: z.object({ type: z.string(), value: z.string() }) })),
          filters: z.array(z.object({ urlRewrite: z.object({ hostname: z.string() }) })).length(1),
        }),
      ),
    }),
  });
  const [route] = ofKind('HTTPRoute', installations.get('component-gateway.yaml'));
  const { rules } = Route.parse(route).spec;
  const posts = rules.flatMap(({ matches }) => matches.filter(({ method }) => method === 'POST'));
  t.deepEqual(posts, [
    { method: 'POST', path: { type: 'Exact', value: '/run' } },
    { method: 'POST', path: { type: 'PathPrefix', value: '/jobs' } },
  ]);
  t.true(rules.every(({ matches }) => matches.every(({ method }) => method !== undefined)));
  const hosts = rules.flatMap(({ filters }) => filters.map(({ urlRewrite }) => urlRewrite.hostname));
  t.deepEqual(
    hosts,
    ['submit', 'result', 'status'].map((name) => `${name}.plane.svc.cluster.local`),
  );
});
