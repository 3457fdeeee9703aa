import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { createRandom } from '#adapters/broker/faults.ts';
import { startEmbeddedPostgres } from '#adapters/postgres/embedded.ts';
import { findBrokenInvariants } from '#test/_support/invariants.ts';
import { STUB_AGENT, findProcessesOf, makeTempDir, startPlaneProcess, submitTo, waitForFinal } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { setTimeout as pause } from 'node:timers/promises';

const ROUNDS = 20;
const JOBS_A_ROUND = 5;

test('killed twenty times in a row under load, the control plane ends every accepted job exactly once', async (t) => {
  t.timeout(300_000);
  const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 2 ** 31);
  t.log(`seed ${seed} (KILL_SEED=${seed} repeats it)`);
  const random = createRandom(seed);
  const dataDir = await makeTempDir(t, 'kill');
  const settings = {
    dataDir,
    databaseUrl: null,
    cap: 3,
    tickMs: 200,
    launchLeaseMs: 500,
    agentEntry: STUB_AGENT,
    crashPoint: null,
    dropEvents: false,
  };
  const accepted: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const plane = await startPlaneProcess(settings);
    t.teardown(() => plane.kill());
    const load = Promise.allSettled(
      Array.from({ length: JOBS_A_ROUND }, () => submitTo(plane.url, { hint: JSON.stringify({ steps: 3, msPerStep: 30 }) })),
    );
    // The moment is the test's subject: drawn at random, anywhere from the first request to well into the work.
    await pause(random() * 900);
    await plane.kill();
    // Every other time the database goes too, without a word: a power cut.
    if (round % 2 === 1) await killPostmaster(join(dataDir, 'postgres'));
    for (const outcome of await load) if (outcome.status === 'fulfilled') accepted.push(outcome.value);
  }
  const last = await startPlaneProcess(settings);
  t.teardown(() => last.kill());
  for (const id of accepted) t.is((await waitForFinal(last.url, id, 120_000)).status, 'success');
  const database = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres'), logFile: join(dataDir, 'logs/postgres.log') });
  const artifacts = createDirectoryStore({ root: join(dataDir, 'objects') });
  const check = () => findBrokenInvariants({ databaseUrl: database.url, artifacts, accepted, quiescent: true });
  await waitUntil('a quiet plane', async () => (await check()).length === 0, 30_000).catch(() => undefined);
  t.deepEqual(await check(), []);
  t.true(accepted.length >= ROUNDS, `${accepted.length} jobs were accepted`);
  t.log(`${accepted.length} accepted, all ended once`);
  await last.stop();
  await database.stop();
  t.deepEqual(await findProcessesOf(dataDir), []);
});

/** The postmaster's children end by themselves when they find it gone. */
async function killPostmaster(dataDir: string): Promise<void> {
  const pid = Number((await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  process.kill(pid, 'SIGKILL');
}
