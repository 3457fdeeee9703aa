import type { TestFn } from 'ava';
import { z } from 'zod';
import { kubectl } from '../_kubectl.ts';

const NAMESPACES = ['plane', 'runs', 'default', 'kube-system', 'knative-eventing', 'knative-serving'];
/** Has no role at all: what this account may do, the cluster gives to everybody who is signed in. */
const NOBODY = 'system:serviceaccount:runs:nobody-at-all';
const Rule = z.object({
  verbs: z.array(z.string()),
  apiGroups: z.array(z.string()).default([]),
  resources: z.array(z.string()).default([]),
  resourceNames: z.array(z.string()).default([]),
  nonResourceURLs: z.array(z.string()).default([]),
});
const Review = z.object({
  status: z.object({ incomplete: z.boolean(), resourceRules: z.array(Rule).default([]), nonResourceRules: z.array(Rule).default([]) }),
});

/** All that an account may do: one line for each verb on each resource of each namespace. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'plane/job-launcher': allow('runs', 'batch/jobs', ['create', 'get', 'list', 'delete']),
  'plane/collector': [...allow('runs', 'batch/jobs', ['get', 'list', 'patch']), ...allow('runs', '/pods', ['get', 'list'])],
  'plane/reconciler': [...allow('runs', 'batch/jobs', ['get', 'list', 'patch']), ...allow('runs', '/pods', ['get', 'list'])],
  'plane/job-signals': allow('runs', 'batch/jobs', ['get', 'list', 'watch']),
};
/** Accounts of ours that may do nothing; the `default` ones are nobody's. */
const POWERLESS = ['submit', 'status', 'result', 'dead-letter', 'migrate', 'postgres', 'gcs', 'stand-in', 'default'].map(
  (name) => `plane/${name}`,
);

function allow(namespace: string, resource: string, verbs: readonly string[]): string[] {
  return verbs.map((verb) => `${namespace}: ${verb} ${resource}`);
}

/** The API server's own answer to "what may I do here?", asked in the account's name. */
async function listRights(user: string): Promise<Set<string>> {
  const rights = new Set<string>();
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${user.split(':')[2]}`, 'system:authenticated'];
  for (const namespace of NAMESPACES) {
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } };
    const as = [`--as=${user}`, ...groups.map((group) => `--as-group=${group}`)];
    const answer = Review.parse(
      JSON.parse(await kubectl(['create', '--filename', '-', '--output', 'json', '--validate=false', ...as], JSON.stringify(review))),
    );
    if (answer.status.incomplete) throw new Error(`the rules of ${user} in ${namespace} are incomplete`);
    for (const rule of answer.status.resourceRules) {
      const names = rule.resourceNames.length === 0 ? '' : ` named ${rule.resourceNames.join(',')}`;
      const objects = rule.apiGroups.flatMap((group) => rule.resources.map((resource) => `${group}/${resource}${names}`));
      for (const verb of rule.verbs) for (const object of objects) rights.add(`${namespace}: ${verb} ${object}`);
    }
    for (const rule of answer.status.nonResourceRules) {
      for (const verb of rule.verbs) for (const url of rule.nonResourceURLs) rights.add(`${verb} ${url}`);
    }
  }
  return rights;
}

/** Who may do what, by the API server's word. */
export function testAccess(test: TestFn): void {
  test.serial('every service account can do what it must, and nothing else', async (t) => {
    t.timeout(300_000);
    const everybody = await listRights(NOBODY);
    t.false(
      [...everybody].some((right) => / (get|list|watch|create|patch|update|delete|\*) [^ ]*\/(secrets|pods|jobs|\*)/.test(right)),
      'a signed-in stranger has no rights that matter',
    );
    const text = await kubectl([
      'get',
      'serviceaccounts',
      '--all-namespaces',
      '--output',
      'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}{"\\n"}{end}',
    ]);
    const accounts = text.split('\n').filter((name) => /^(plane|runs)\//.test(name));
    t.deepEqual(accounts.toSorted(), [...Object.keys(EXPECTED), ...POWERLESS, 'runs/attempt', 'runs/default'].toSorted());
    for (const account of accounts) {
      const [namespace, name] = account.split('/');
      const rights = await listRights(`system:serviceaccount:${namespace}:${name}`);
      const own = [...rights].filter((right) => !everybody.has(right));
      t.deepEqual(own.toSorted(), [...(EXPECTED[account] ?? [])].toSorted(), account);
      t.log(`${account.padEnd(20)} ${own.length === 0 ? 'nothing' : own.join(', ')}`);
    }
    t.log(`everybody who is signed in: ${everybody.size} rights of discovery and self-review`);
  });
}
