import test from 'ava';
import { startTestPlane } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { OriginalClient, readJobId } from './_original-client.ts';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { makeTempDir } from '#test/_support/plane.ts';
test('probe', async (t) => {
  const dataDir = await makeTempDir(t, 'probe');
  const plane = await startTestPlane(t, { cap: 1, dataDir });
  const client = new OriginalClient(plane.url);
  const T = 'https://www.kaggle.com/competitions/titanic';
  const id = readJobId(await client.run({ kaggle_url: T, hint: JSON.stringify({ steps: 100_000, msPerStep: 20 }) }));
  await waitUntil('running', async () => (await client.status(id)).body['status'] === 'running');
  await client.cancel(id);
  for (let i = 0; i < 30; i++) { await delay(300); const r = (await client.status(id)).body; console.log(i, r['status'], r['reason'], r['attempt']); if (r['completed_at']) break; }
  const ev = await plane.ports.store.readHistory({ jobId: id, afterSeq: 0, limit: 1000 });
  for (const e of ev) if (!['progressed','improved'].includes(e.type)) console.log(e.seq, e.at.toISOString(), e.type, e.message);
  console.log(readFileSync(dataDir + '/logs/plane.log', 'utf8').split('\n').slice(-40).join('\n'));
  t.pass();
});
