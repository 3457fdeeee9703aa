import test from 'ava';
import { deployPlane } from './_plane.ts';
import type { DeployedPlane } from './_plane.ts';
import { useStubAgent } from './_settings.ts';
import { testAccess } from './plane/access.ts';
import { testBurst } from './plane/burst.ts';
import { testCancel, testFailures } from './plane/failures.ts';
import { testEndToEnd } from './plane/end-to-end.ts';
import { testFaults } from './plane/faults.ts';
import { testKn, testProducers } from './plane/producers.ts';
import { testRemoval } from './plane/removal.ts';
import { testScaleToZero } from './plane/scale-to-zero.ts';

// One installation for all of it, in this order: its settings are changed on the way, and at the end it is removed.
const CAP = 8;

let plane: DeployedPlane | null = null;
const getPlane = (): DeployedPlane => {
  if (plane === null) throw new Error('nothing is deployed');
  return plane;
};

test.before(async (t) => {
  t.timeout(600_000);
  plane = await deployPlane();
});
test.after.always(() => plane?.close());

testEndToEnd(test, getPlane);
testAccess(test);
testScaleToZero(test, getPlane);
testKn(test);
test.serial('the launcher is given the stub agent', async (t) => {
  t.timeout(600_000);
  await useStubAgent(CAP);
  t.pass();
});
testProducers(test, getPlane);
testFaults(test, getPlane);
testFailures(test, getPlane);
testCancel(test, getPlane);
// Eight minutes of a small machine: only when asked for (docs/install.md).
if (process.env['KAGGLE_AGENT_TEST_BURST'] === 'yes') testBurst(test, getPlane, CAP);
testRemoval(test, getPlane);
