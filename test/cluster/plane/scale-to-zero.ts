import { setTimeout as pause } from 'node:timers/promises';
import type { TestFn } from 'ava';
import { waitUntil } from '#test/_support/wait-until.ts';
import type { DeployedPlane } from '../_plane.ts';
import { setTicks } from '../_settings.ts';

const QUIET = ['submit', 'status', 'result', 'job-launcher', 'collector', 'dead-letter'];
const AT_ZERO_FOR_MS = 60_000;
const LOOK_MS = 2000;
const PATIENCE_MS = 360_000;

/** What nobody asks costs nothing. */
export function testScaleToZero(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial('when nobody asks, every function is at zero for 60 s, and the reconciler is at zero between two ticks', async (t) => {
    t.timeout(PATIENCE_MS + 2 * AT_ZERO_FOR_MS);
    const { api } = getPlane();
    await setTicks(true);
    const countPods = async (name: string) => {
      const { items } = await api.core.listNamespacedPod({ namespace: 'plane', labelSelector: `serving.knative.dev/service=${name}` });
      return items.length;
    };
    const findAwake = async () => {
      const counts = await Promise.all(QUIET.map(async (name) => ({ name, pods: await countPods(name) })));
      return counts.filter(({ pods }) => pods > 0).map(({ name }) => name);
    };
    // One look after the other over a whole minute: a function that came up in between starts the minute anew.
    let zeroSinceMs: number | null = null;
    let reconciler: 'up' | 'zero-after-up' | 'up-again' | null = null;
    const look = async () => {
      const awake = await findAwake();
      zeroSinceMs = awake.length === 0 ? (zeroSinceMs ?? performance.now()) : null;
      const isUp = (await countPods('reconciler')) > 0;
      if (isUp && reconciler === null) reconciler = 'up';
      if (!isUp && reconciler === 'up') reconciler = 'zero-after-up';
      if (isUp && reconciler === 'zero-after-up') reconciler = 'up-again';
      await pause(LOOK_MS);
      return zeroSinceMs !== null && performance.now() - zeroSinceMs >= AT_ZERO_FOR_MS && reconciler === 'up-again';
    };
    await waitUntil('a minute at zero, and two ticks with the reconciler at zero between them', look, PATIENCE_MS);
    t.pass();
  });
}
