import test from 'ava';
import type { Manifest } from '../../scripts/deploy/render.ts';
import type { Rule } from './_pod-rules.ts';
import { parseManifests } from '../../scripts/deploy/render.ts';
import { isBounded, isRestricted, keepsSecretsInTheirZones, keepsTokensAway, namesItsImages, staysOffTheNode } from './_pod-rules.ts';
import { closesItsNamespaces, deliversAsAgreed, grantsLittle, opensLittle, servesAsAgreed } from './_plane-rules.ts';
import { readInstallations } from './_rendered.ts';

const RULES: Readonly<Record<string, Rule>> = {
  staysOffTheNode,
  isRestricted,
  isBounded,
  namesItsImages,
  keepsTokensAway,
  keepsSecretsInTheirZones,
  grantsLittle,
  closesItsNamespaces,
  opensLittle,
  deliversAsAgreed,
  servesAsAgreed,
};
const installations = readInstallations();

test('there are two overlays and the components', (t) => {
  t.true(['overlay-dev.yaml', 'overlay-production.yaml'].every((name) => installations.has(name)));
  t.true(installations.size > 6);
});

for (const [name, objects] of installations) {
  test(`${name} keeps every rule`, (t) => {
    for (const [title, rule] of Object.entries(RULES)) t.deepEqual(rule(objects), [], title);
  });
}

/** Each breaks one thing of the good overlay `dev`: the object, the text in its JSON, what stands there instead, and the words of the rule. */
const BROKEN: readonly (readonly [rule: keyof typeof RULES, object: string, from: string | RegExp, to: string, words: RegExp])[] = [
  ['grantsLittle', 'Role/collector', '"patch"', '"*"', /wildcard/],
  ['grantsLittle', 'Role/collector', '"pods"', '"*"', /wildcard/],
  ['grantsLittle', 'Role/collector', '"pods"', '"secrets"', /reaches secrets/],
  ['grantsLittle', 'Role/collector', '"pods"', '"pods/exec"', /reaches pods\/exec/],
  ['grantsLittle', 'Role/collector', '"kind":"Role"', '"kind":"ClusterRole"', /whole cluster/],
  ['keepsTokensAway', 'Deployment/gcs', '"serviceAccountName":"gcs"', '"serviceAccountName":"default"', /default account/],
  ['keepsTokensAway', 'Deployment/gcs', '"serviceAccountName":"gcs",', '', /default account/],
  ['keepsTokensAway', 'Deployment/gcs', '"serviceAccountName":"gcs"', '"serviceAccountName":"nobody"', /nowhere/],
  ['keepsTokensAway', 'Job/migrate', '"automountServiceAccountToken":false', '"automountServiceAccountToken":true', /mounts a token/],
  ['keepsTokensAway', 'Service/submit', '"automountServiceAccountToken":false,', '', /mounts a token/],
  [
    'keepsTokensAway',
    'Service/collector',
    '"serviceAccountName"',
    '"automountServiceAccountToken":true,"serviceAccountName"',
    /Knative refuses/,
  ],
  ['keepsTokensAway', 'ServiceAccount/attempt', ':false', ':true', /must be false/],
  ['keepsTokensAway', 'Service/status', '"enableServiceLinks":false', '"enableServiceLinks":true', /addresses of all Services/],
  ['staysOffTheNode', 'Deployment/postgres', '"emptyDir":{"sizeLimit":"4Gi"}', '"hostPath":{"path":"/"}', /of kind hostPath/],
  ['staysOffTheNode', 'Deployment/postgres', '"enableServiceLinks"', '"hostNetwork":true,"enableServiceLinks"', /hostNetwork/],
  ['staysOffTheNode', 'Deployment/postgres', '"enableServiceLinks"', '"hostPID":true,"enableServiceLinks"', /hostPID/],
  ['staysOffTheNode', 'Deployment/postgres', '"containerPort":5432', '"containerPort":5432,"hostPort":5432', /hostPort/],
  ['isRestricted', 'Service/submit', '"allowPrivilegeEscalation":false', '"privileged":true', /is privileged/],
  ['isRestricted', 'Service/submit', '"allowPrivilegeEscalation":false', '"allowPrivilegeEscalation":true', /gain privileges/],
  ['isRestricted', 'Service/submit', '"readOnlyRootFilesystem":true', '"readOnlyRootFilesystem":false', /write to its root/],
  ['isRestricted', 'Service/submit', '"drop":["ALL"]', '"drop":["NET_RAW"]', /capabilities/],
  ['isRestricted', 'Service/submit', '"drop":["ALL"]', '"drop":["ALL"],"add":["NET_ADMIN"]', /capabilities/],
  ['isRestricted', 'Service/submit', '"runAsNonRoot":true', '"runAsNonRoot":false', /run as root/],
  ['isRestricted', 'Deployment/gcs', '"runAsUser":65532', '"runAsUser":0', /user of its own/],
  ['isRestricted', 'Service/submit', 'RuntimeDefault', 'Unconfined', /seccomp/],
  ['isBounded', 'Service/submit', /"limits":\{[^}]*\},/, '', /no limit of cpu/],
  ['isBounded', 'Service/submit', /"limits":\{"cpu":"1",/, '"limits":{', /no limit of cpu/],
  ['isBounded', 'Deployment/gcs', '{"sizeLimit":"64Mi"}', '{}', /no sizeLimit/],
  ['namesItsImages', 'Service/submit', 'functions:dev', 'functions:latest', /no fixed version/],
  ['namesItsImages', 'Service/submit', 'functions:dev', 'functions', /no fixed version/],
  ['closesItsNamespaces', 'Namespace/runs', 'restricted', 'baseline', /does not enforce/],
  ['closesItsNamespaces', 'NetworkPolicy/default-deny', '"Egress"', '"Ingress"', /no default-deny of Egress/],
  [
    'closesItsNamespaces',
    'NetworkPolicy/default-deny',
    '"podSelector":{}',
    '"podSelector":{"matchLabels":{"a":"b"}}',
    /no default-deny of Ingress/,
  ],
  ['closesItsNamespaces', 'NetworkPolicy/default-deny', '"policyTypes"', '"egress":[{}],"policyTypes"', /no default-deny of Egress/],
  ['closesItsNamespaces', 'Deployment/gcs', '"namespace":"plane"', '"namespace":"default"', /not ours/],
  ['opensLittle', 'NetworkPolicy/requests', /"from":\[.*?\],"ports"/, '"ports"', /open to everybody/],
  ['opensLittle', 'NetworkPolicy/gcs', /,"ports":\[[^\]]*\]/, '', /ports without a name/],
  ['opensLittle', 'NetworkPolicy/api-server', '"cidr":"10.0.0.0/8"', '"cidr":"0.0.0.0/0"', /reaches 169\.254/],
  ['keepsSecretsInTheirZones', 'Service/submit', 'database-writer', 'database-owner', /must not hold/],
  ['keepsSecretsInTheirZones', 'Service/status', 'database-reader', 'database-writer', /must not hold/],
  [
    'keepsSecretsInTheirZones',
    'Service/reconciler',
    '"containers"',
    '"volumes":[{"name":"k","secret":{"secretName":"plane-key"}}],"containers"',
    /plane-key/,
  ],
  ['keepsSecretsInTheirZones', 'Service/submit', /"valueFrom":\{.*?\}\}/, '"value":"postgres://a:b@c/d"', /plain text/],
  ['keepsSecretsInTheirZones', 'ConfigMap/pod-settings', '"kind":"ConfigMap"', '"kind":"Secret"', /in the manifests/],
  ['deliversAsAgreed', 'Trigger/submit', /"filters":\[.*?\]\}\],/, '', /filter by type/],
  ['deliversAsAgreed', 'Trigger/submit', '"exact":{"type"', '"prefix":{"type"', /filter by type/],
  ['deliversAsAgreed', 'Trigger/submit', '"timeout":"PT30S"', '"format":"json"', /does not say timeout/],
  ['deliversAsAgreed', 'Trigger/submit', '"deadLetterSink"', '"sink"', /dead letters/],
  ['deliversAsAgreed', 'Trigger/collector', '"retry"', '"deadLetterSink":{},"retry"', /dead letters/],
  ['deliversAsAgreed', 'Broker/signals', '"retry"', '"deadLetterSink":{},"retry"', /switched off/],
  ['deliversAsAgreed', 'Broker/signals', 'async-handler":"true"', 'async-handler":"false"', /only signals/],
  ['deliversAsAgreed', 'PingSource/tick', '"name":"reconciler"', '"name":"intake"', /straight to the reconciler/],
  ['servesAsAgreed', 'Service/collector', 'cluster-local', 'public', /open to the world/],
  ['servesAsAgreed', 'Service/submit', '"timeoutSeconds":60', '"timeoutSeconds":30', /cut off after 30/],
  ['servesAsAgreed', 'Service/submit', 'max-scale":"5"', 'max-scale":"50"', /connections/],
  ['servesAsAgreed', 'Service/submit', 'autoscaling.knative.dev/min-scale', 'min', /min-scale/],
];

const dev = installations.get('overlay-dev.yaml') ?? [];

for (const [rule, object, from, to, words] of BROKEN) {
  test(`${rule} notices ${object}: ${from.toString().slice(0, 60)} → ${to.slice(0, 60)}`, (t) => {
    const broken = dev.map((manifest) => {
      if (`${manifest.kind}/${manifest.metadata.name}` !== object || (manifest.apiVersion === 'v1' && manifest.kind === 'Service'))
        return manifest;
      const text = JSON.stringify(manifest);
      const changed = text.replace(from, to);
      t.not(changed, text, 'the example changes nothing');
      return readOne(changed);
    });
    t.notDeepEqual(broken, dev, 'there is no such object');
    const problems = RULES[rule]?.(broken) ?? [];
    t.true(
      problems.some((problem) => words.test(problem)),
      problems.join('\n') || 'it found nothing',
    );
  });
}

function readOne(json: string): Manifest {
  const [manifest] = parseManifests(json);
  if (manifest === undefined) throw new Error('no object');
  return manifest;
}
