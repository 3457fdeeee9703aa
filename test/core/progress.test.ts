import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { applyWords } from '#core/use-cases/progress.ts';
import { keys } from '#core/names.ts';
import { addJob, claim } from '#test/_support/ledger.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';

test('words that another collector applied meanwhile are not applied again with the ones after them', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'ka-words-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const store = createPostgresJobStore({ url: (await createTestDatabase(t)).url });
  t.teardown(() => store.close());
  const artifacts = createDirectoryStore({ root, durable: false });
  const { id } = await addJob(store);
  await claim(store);
  const say = async (seq: number) => {
    const progress = { stage: 'execute', message: `word ${seq}`, solutionsDone: seq, solutionsPlanned: null, best: null, metric: null };
    const rest = { direction: null, remainingS: null, firstValidSeconds: null };
    const event = { type: 'improved', seq, at: new Date().toISOString(), progress: { ...progress, ...rest }, best: seq };
    await artifacts.createObject(keys.event(id, 1, seq), JSON.stringify(event), 'application/json');
  };
  const early = await store.getAttempt(id, 1);
  if (early === null) throw new Error('the attempt was claimed');
  await say(1);
  await say(2);
  await applyWords({ store, artifacts }, early);
  await say(3);
  // This one still believes that nothing was applied, and reads all three.
  const late = await applyWords({ store, artifacts }, early);
  t.is(late.read.attempt.lastEventSeq, 3);
  const lines = await store.readHistory({ jobId: id, afterSeq: 0, limit: 100 });
  t.deepEqual(
    lines.filter(({ type }) => type === 'improved').map(({ message }) => message),
    ['word 1', 'word 2', 'word 3'],
  );
});
