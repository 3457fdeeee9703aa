import test from 'ava';
import { cancelJob } from '#core/use-cases/cancel.ts';
import type { JobStore } from '#core/ports.ts';
import { readStatus, startTestPlane, submitTo } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

/** Lets a cancel in just before the first change that would put a job back in line. */
function cancelBeforeRetry(store: JobStore, onCancelled: () => void): JobStore {
  let isDone = false;
  return {
    ...store,
    changeJob: async (params) => {
      if (params.change.state === 'pending' && !isDone) {
        isDone = true;
        await cancelJob({ store }, { tenant: null, jobId: params.job.id });
        const changed = await store.changeJob(params);
        onCancelled();
        return changed;
      }
      return store.changeJob(params);
    },
  };
}

test('a cancel that comes between the decision to retry and its record is not forgotten', async (t) => {
  const cancelled = Promise.withResolvers<void>();
  const wrapPorts = <Ports extends { readonly store: JobStore }>(ports: Ports) => ({
    ...ports,
    store: cancelBeforeRetry(ports.store, cancelled.resolve),
  });
  // No tick but ours: the one who decided must not be overtaken by another look.
  const plane = await startTestPlane(t, { tickMs: 600_000, wrapPorts });
  const id = await submitTo(plane.url, { hint: JSON.stringify({ steps: 1, exitCode: 1 }) });
  await cancelled.promise;
  const job = await waitUntil(
    `the end of job ${id}`,
    async () => {
      await plane.tick();
      const read = await readStatus(plane.url, id);
      return read.completed_at !== null && read;
    },
    20_000,
  );
  t.is(job.status, 'cancelled');
  t.is(job.attempt, 1);
});
