import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { Manifest } from '../../scripts/deploy/render.ts';
import { parsePodSettings } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { PROJECT_DIR } from '../../scripts/deploy/options.ts';
import { findRenderer, renderAll } from '../../scripts/deploy/render.ts';
import { createSchemaCheck } from './_schemas.ts';
import { readInstallations, readRendered } from './_rendered.ts';

const rendered = readRendered();
const check = createSchemaCheck();

for (const [name, objects] of rendered) {
  test(`every object of ${name} is what its schema says`, (t) => {
    t.true(objects.length > 0);
    t.deepEqual(check(objects), []);
  });
}

test('infra/rendered is what the sources say', async (t) => {
  const render = findRenderer(process.env);
  if (render === null) {
    t.log('infra/rendered was not compared with its sources: neither kubectl nor kustomize is on PATH');
    t.pass();
    return;
  }
  const fresh = await renderAll(render);
  t.deepEqual([...rendered.keys()].toSorted(), [...fresh.keys()].toSorted(), 'start: npm run manifests');
  for (const [name, objects] of fresh) t.deepEqual(rendered.get(name), objects, `${name} is stale; start: npm run manifests`);
});

/** Each breaks one object of `dev`: its name, the text in its JSON, what stands there instead, and a word of the complaint. */
const BROKEN: readonly (readonly [object: string, from: string, to: string, words: RegExp])[] = [
  ['Deployment/gcs', '"strategy"', '"stratgey"', /additionalProperty":"stratgey/],
  ['Deployment/gcs', '"image"', '"imgae"', /additionalProperty":"imgae/],
  ['Deployment/gcs', '"replicas":1', '"replicas":"one"', /must be integer/],
  ['Job/migrate', '"backoffLimit"', '"backofLimit"', /additionalProperty":"backofLimit/],
  ['Service/submit', '"timeoutSeconds"', '"timeoutSecond"', /additionalProperty":"timeoutSecond/],
  ['Trigger/submit', '"backoffPolicy"', '"backofPolicy"', /additionalProperty":"backofPolicy/],
  ['ApiServerSource/job-signals', '"namespaceSelector"', '"namespaceSelctor"', /additionalProperty":"namespaceSelctor/],
  ['NetworkPolicy/dns', '"podSelector"', '"podSelectr"', /additionalProperty":"podSelectr/],
  ['RoleBinding/collector', '"roleRef"', '"role"', /must have required property 'roleRef'/],
  ['Namespace/runs', '"kind":"Namespace"', '"kind":"Namespaces"', /no schema/],
];

for (const [object, from, to, words] of BROKEN) {
  test(`schemas notice ${to} in ${object}`, (t) => {
    const found = rendered.get('overlay-dev.yaml')?.filter(({ kind, metadata }) => `${kind}/${metadata.name}` === object) ?? [];
    const problems = found.flatMap((manifest) => {
      const text = JSON.stringify(manifest);
      return text.includes(from) ? check([breakOne(text, from, to)]) : [];
    });
    t.true(
      problems.some((problem) => words.test(problem)),
      problems.join('\n') || 'they found nothing',
    );
  });
}

function breakOne(text: string, from: string, to: string): Manifest {
  const AnyObject = z.object({ apiVersion: z.string(), kind: z.string(), metadata: z.object({ name: z.string() }).loose() }).loose();
  return AnyObject.parse(JSON.parse(text.replace(from, to)));
}

test('each file of knative/ holds exactly one Service, under its own name, as "kn service apply" needs it', (t) => {
  const folder = join(PROJECT_DIR, 'knative');
  const names = readdirSync(folder).filter((name) => name !== 'kustomization.yaml');
  t.deepEqual(names.toSorted(), [
    'collector.yaml',
    'dead-letter.yaml',
    'job-launcher.yaml',
    'reconciler.yaml',
    'result.yaml',
    'status.yaml',
    'submit.yaml',
  ]);
  const Service = z.object({
    apiVersion: z.literal('serving.knative.dev/v1'),
    kind: z.literal('Service'),
    metadata: z.object({ name: z.string() }).loose(),
  });
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8');
    t.false(/^---/m.test(text), `${name} has a "---": kn reads the first document only`);
    const documents = parseAllDocuments(text);
    t.is(documents.length, 1, name);
    t.is(`${Service.parse(documents[0]?.toJS()).metadata.name}.yaml`, name);
  }
});

test('the launcher can read the pod settings of every installation', (t) => {
  const Settings = z.object({ data: z.record(z.string(), z.string()) });
  for (const [name, objects] of readInstallations()) {
    const configMap = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'pod-settings');
    const { data } = Settings.parse(configMap);
    const files = ['pod.json', 'kueue.json', 'gvisor.json'].map((file) => ({ name: file, text: data[file] ?? '' }));
    const settings = parsePodSettings(files);
    t.is(settings.serviceAccountName, 'attempt');
    t.is(settings.queueName, name === 'component-kueue.yaml' ? 'attempts' : null, name);
    t.is(settings.runtimeClassName, name === 'component-gvisor.yaml' ? 'gvisor' : null, name);
    t.is(settings.gcsEndpoint === null, name !== 'overlay-dev.yaml', name);
  }
});

test("nothing of a developer's cluster is left in production", (t) => {
  for (const [name, objects] of readInstallations()) {
    if (name === 'overlay-dev.yaml') continue;
    t.notRegex(JSON.stringify(objects), /dev\.local|kaggle-agent-dev|sslip|GCS_ENDPOINT|stand-in|"dev"/, name);
  }
});
