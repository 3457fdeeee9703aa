import test from 'ava';
import type { JobRunner } from '#core/ports.ts';
import { isOver } from '#core/ports.ts';
import { startTestPlane, submitTo } from '#test/_support/plane.ts';

const ENDLESS = JSON.stringify({ steps: 100_000, msPerStep: 20 });

test('closing with its attempts also ends one that was just being created', async (t) => {
  const asked = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const plain: JobRunner[] = [];
  const plane = await startTestPlane(t, {
    wrapPorts: (ports) => {
      plain.push(ports.runner);
      const create: JobRunner['create'] = async (order) => {
        asked.resolve();
        await gate.promise;
        return ports.runner.create(order);
      };
      return { ...ports, runner: { ...ports.runner, create } };
    },
  });
  await submitTo(plane.url, { hint: ENDLESS });
  await asked.promise;
  const closed = plane.close({ endAttempts: true });
  gate.resolve();
  t.true(await closed);
  const runs = await plain[0]?.list({ cursor: null, limit: 10 });
  t.deepEqual(
    runs?.items.filter((run) => !isOver(run)),
    [],
  );
});
