import test from 'ava';
import type { ArtifactStore } from '#core/ports.ts';
import { keys } from '#core/names.ts';
import { addJob, change } from '#test/_support/ledger.ts';
import { postJson, startFunctions } from '#test/_support/functions.ts';
import { startInternalFunctions } from '#test/_support/internal-functions.ts';

test('a reconciler that dies between the rows and the objects of an old job leaves no orphan: the next tick goes on', async (t) => {
  const functions = await startFunctions(t);
  const { store, artifacts } = functions;
  const old = await addJob(store);
  const live = await addJob(store);
  const leased = await store.leaseOutbox({ limit: 10, leaseMs: 60_000, jobId: old.id });
  await store.markSent(leased.map(({ event }) => event.id));
  await change(store, old, { change: { state: 'failed', stamp: ['completedAt'] } });
  const objects = [keys.log(old.id, 1, 1), keys.result(old.id, 1, 'submission.csv')];
  const kept = keys.log(live.id, 1, 1);
  for (const key of [...objects, kept]) await artifacts.createObject(key, 'x', 'text/plain');
  let failures = 1;
  const flaky: ArtifactStore = {
    ...artifacts,
    deletePrefix: async (prefix) => {
      if (prefix.startsWith('results/') && failures-- > 0) throw new Error('the process dies here');
      return artifacts.deletePrefix(prefix);
    },
  };
  const { reconcilerUrl } = await startInternalFunctions(t, functions, { retentionDays: 0, artifacts: flaky });
  const ping = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-type': 'dev.knative.sources.ping', 'ce-source': '/tick' };
  t.is((await postJson(`${reconcilerUrl}/`, {}, ping)).status, 503);
  t.is(await store.getJob(old.id), null, 'the rows went first');
  t.not(await artifacts.statObject(objects[1] ?? ''), null);
  t.is((await postJson(`${reconcilerUrl}/`, {}, ping)).status, 204);
  for (const key of objects) t.is(await artifacts.statObject(key), null);
  t.not(await artifacts.statObject(kept), null);
  t.deepEqual((await store.prune({ retentionDays: 90, limit: 10 })).jobs, []);
});
