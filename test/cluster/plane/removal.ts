import { join, resolve } from 'node:path';
import type { TestFn } from 'ava';
import { kubectl } from '../_kubectl.ts';
import type { DeployedPlane } from '../_plane.ts';

const PROJECT_DIR = resolve(import.meta.dirname, '../../..');
const PATIENCE_MS = 480_000;

/** Every object of ours, in all namespaces and outside of them, of every kind that the API server knows. */
async function listOurs(): Promise<string[]> {
  const kinds = (await kubectl(['api-resources', '--verbs=list', '--output', 'name'])).trim().split('\n');
  const listed = [
    'get',
    kinds.join(','),
    '--all-namespaces',
    '--selector',
    'app.kubernetes.io/name=kaggle-agent',
    '--output',
    'name',
    '--ignore-not-found',
  ];
  return (await kubectl(listed)).split('\n').filter((name) => name !== '');
}

/** Ours is gone when it is removed by hand. */
export function testRemoval(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial('kubectl delete -k leaves nothing', async (t) => {
    t.timeout(PATIENCE_MS);
    const ours = await listOurs();
    t.true(
      ours.some((name) => name.includes('submit')),
      'the overlay is there',
    );
    await getPlane().close();
    await kubectl(['delete', '--kustomize', join(PROJECT_DIR, 'infra/overlays/dev'), '--ignore-not-found', '--wait', '--timeout=300s']);
    for (const name of ['plane', 'runs']) await kubectl(['wait', `namespace/${name}`, '--for=delete', '--timeout=300s']);
    t.deepEqual(await listOurs(), []);
    const namespaces = (await kubectl(['get', 'namespaces', '--output', 'name'])).split('\n');
    t.deepEqual(
      namespaces.filter((name) => /\/(plane|runs)$/.test(name)),
      [],
    );
  });
}
