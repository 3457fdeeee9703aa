import test from 'ava';
import { attackInPod } from '../attack/cluster.ts';

test('no program gets through in the pod of an attempt, and nothing that it leaves behind lives on', async (t) => {
  t.timeout(900_000);
  const { tier, results } = await attackInPod();
  t.is(tier, 'isolated');
  t.true(results.length > 120, `${results.length} attacks`);
  t.deepEqual(
    results.filter(({ through }) => through),
    [],
  );
});
