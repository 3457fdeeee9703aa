import test from 'ava';
import { testJobRunner } from '#test/contract/job-runner.ts';
import { createNamespace, setUpKubernetes } from './_harness.ts';
import type { ClusterNamespace } from './_harness.ts';

let made: Promise<ClusterNamespace> | null = null;
const openNamespace = () => (made ??= createNamespace('runs-test'));

test.after.always('the namespace is removed', async (t) => {
  t.timeout(180_000);
  await (await made)?.remove();
});

testJobRunner(test, async (t) => setUpKubernetes(t, await openNamespace()));
