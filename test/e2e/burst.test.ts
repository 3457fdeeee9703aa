import { readFile, readdir } from 'node:fs/promises';
import test from 'ava';
import pg from 'pg';
import { findBrokenInvariants } from '#test/_support/invariants.ts';
import { KAGGLE_URL, STUB_AGENT, makeTempDir, startTestPlane } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { OriginalClient, readJobId } from './_original-client.ts';

const JOBS = 200;
const CAP = 4;
const TIMEOUT_MS = 240_000;
/** Reading the whole process table costs as much as a job. */
const SAMPLE_MS = 200;

/** Processes of the stub agent whose environment names a folder. */
async function findAgents(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
    if ((await read('cmdline')).includes(STUB_AGENT) && (await read('environ')).includes(folder)) found.push(pid);
  }
  return found;
}

/** The most attempts that held a slot at one time, by the ledger's own clock: from the claim of the slot to the recorded end. */
async function findMostAtOnce(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    // At equal times an end comes before a start.
    const { rows } = await client.query<{ most: string }>(
      `SELECT max(total) AS most FROM (
         SELECT sum(step) OVER (ORDER BY at, step) AS total FROM (
           SELECT created_at AS at, 1 AS step FROM attempts UNION ALL SELECT ended_at, -1 FROM attempts) AS steps) AS totals`,
    );
    return Number(rows[0]?.most);
  } finally {
    await client.end();
  }
}

test('200 POST /run at once on one process: all 201, none lost or doubled, never more than the cap at a time, all 200 succeed', async (t) => {
  t.timeout(TIMEOUT_MS + 60_000);
  const dataDir = await makeTempDir(t, 'burst');
  const plane = await startTestPlane(t, { dataDir, cap: CAP });
  const client = new OriginalClient(plane.url);
  const startedAt = performance.now();
  const replies = await Promise.all(
    Array.from({ length: JOBS }, (_, index) => client.run({ kaggle_url: `${KAGGLE_URL}-${index % 10}`, priority: index % 3 })),
  );
  const acceptedMs = performance.now() - startedAt;
  t.deepEqual([...new Set(replies.map((reply) => reply.status))], [201]);
  const ids = replies.map(readJobId);
  t.is(new Set(ids).size, JOBS);

  let mostProcesses = 0;
  let sampledAt = 0;
  await waitUntil(
    'the end of all jobs',
    async () => {
      if (performance.now() - sampledAt > SAMPLE_MS) {
        mostProcesses = Math.max(mostProcesses, (await findAgents(dataDir)).length);
        sampledAt = performance.now();
      }
      const counts = await plane.ports.store.countJobs(null);
      return counts.pending + counts.queued + counts.running === 0;
    },
    TIMEOUT_MS,
  );
  t.log(`${JOBS} accepted in ${Math.round(acceptedMs)} ms, all ended after ${Math.round((performance.now() - startedAt) / 1000)} s`);
  t.true(mostProcesses >= 1 && mostProcesses <= CAP, `${mostProcesses} agents lived at one time`);
  t.is(await findMostAtOnce(plane.databaseUrl), CAP);

  const { jobs, total } = await plane.ports.store.listJobs({ tenant: null, states: null, request: null, limit: 500, cursor: null });
  t.is(total, JOBS);
  t.deepEqual(jobs.map((job) => job.id).toSorted(), ids.toSorted());
  t.deepEqual([...new Set(jobs.map((job) => `${job.state}, attempt ${job.attempt}`))], ['success, attempt 1']);
  const check = () =>
    findBrokenInvariants({ databaseUrl: plane.databaseUrl, artifacts: plane.ports.artifacts, accepted: ids, quiescent: true });
  // The last events may still be on their way out.
  await waitUntil('a quiet plane', async () => (await check()).length === 0, 15_000).catch(() => undefined);
  t.deepEqual(await check(), []);
});
