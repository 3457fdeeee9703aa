import type { TestFn } from 'ava';
import { findBrokenInvariants } from '#test/_support/invariants.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { kubectl } from '../_kubectl.ts';
import { stubJob } from '../_plane.ts';
import type { DeployedPlane } from '../_plane.ts';
import { queryLedger } from '../_ledger.ts';

const JOBS = 200;
const PATIENCE_MS = 900_000;
const SAMPLE_MS = 1500;
/** Jobs and pods that live, or that ended within their time to live after being recorded, at a few jobs a second; the backlog leaves nothing. */
const MOST_OBJECTS_MORE = JOBS;

/** Objects in the API server's storage by kind, events apart (they expire), by its own count. */
async function countStoredObjects(): Promise<Map<string, number>> {
  const metrics = await kubectl(['get', '--raw', '/metrics']);
  const all = metrics.split('\n').filter((line) => !/resource="events|group="events/.test(line));
  // Two names of one count: some versions tell both.
  const [current, former] = ['resource', 'storage'].map((word) => all.filter((line) => line.startsWith(`apiserver_${word}_objects{`)));
  const lines = current?.length ? current : (former ?? []);
  if (lines.length === 0) throw new Error('the API server does not count its objects');
  return new Map(
    lines.map((line) => [line.slice(line.indexOf('{'), line.lastIndexOf('}') + 1), Math.max(0, Number(line.split(' ').at(-1)))]),
  );
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** `2 more {group="",resource="pods"}`, for every kind that has other numbers than before. */
function listChanges(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  const changes = [...after].map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)] as const).filter(([, more]) => more !== 0);
  return changes.map(([kind, more]) => `${more} more ${kind}`).join(', ');
}

async function countLivingJobs({ api }: DeployedPlane): Promise<number> {
  const { items } = await api.batch.listNamespacedJob({ namespace: 'runs' });
  return items.filter(
    ({ status }) => !status?.conditions?.some(({ type, status: is }) => /^(Complete|Failed)$/.test(type) && is === 'True'),
  ).length;
}

/** Many jobs at once: the backlog lies in the ledger, never in etcd. */
export function testBurst(test: TestFn, getPlane: () => DeployedPlane, cap: number): void {
  test.serial(`${JOBS} jobs with a cap of ${cap}: all end well, never more than ${cap} live Jobs, and etcd stays flat`, async (t) => {
    t.timeout(PATIENCE_MS + 600_000);
    const plane = getPlane();
    const objectsBefore = await countStoredObjects();
    const startedMs = performance.now();
    const ids: string[] = [];
    const submitSome = async () => {
      for (let index = 0; index < JOBS / 10; index += 1) ids.push(await plane.submit(stubJob({ steps: 1 })));
    };
    await Promise.all(Array.from({ length: 10 }, submitSome));
    t.is(new Set(ids).size, JOBS);
    t.log(`${JOBS} accepted in ${Math.round(performance.now() - startedMs)} ms`);
    let mostJobs = 0;
    let mostObjects = 0;
    let sampledMs = 0;
    await waitUntil(
      'the end of all jobs',
      async () => {
        if (performance.now() - sampledMs < SAMPLE_MS) return false;
        sampledMs = performance.now();
        mostJobs = Math.max(mostJobs, await countLivingJobs(plane));
        mostObjects = Math.max(mostObjects, sum(await countStoredObjects()));
        const [row] = await queryLedger(
          plane,
          `SELECT count(*)::int AS open FROM jobs WHERE completed_at IS NULL AND id = ANY($1::uuid[])`,
          [ids],
        );
        return row?.['open'] === 0;
      },
      PATIENCE_MS,
    );
    t.log(`all ended after ${Math.round((performance.now() - startedMs) / 1000)} s; at most ${mostJobs} live Jobs`);
    t.log(`objects in etcd: ${sum(objectsBefore)} before, at most ${mostObjects} meanwhile`);
    t.true(mostJobs >= 1 && mostJobs <= cap, `${mostJobs} Jobs lived at one time`);
    const states = await queryLedger(plane, 'SELECT DISTINCT state, attempt FROM jobs WHERE id = ANY($1::uuid[])', [ids]);
    t.deepEqual(states, [{ state: 'success', attempt: 1 }]);
    const more = mostObjects - sum(objectsBefore);
    t.true(more <= MOST_OBJECTS_MORE, `${more} objects more`);
    const isForgotten = async () => (await plane.api.batch.listNamespacedJob({ namespace: 'runs' })).items.length === 0;
    await waitUntil('the cluster to forget the Jobs', isForgotten, 180_000);
    // Their pods follow, and the functions that were scaled up for the burst go back to zero.
    const countLeft = async () => sum(await countStoredObjects()) - sum(objectsBefore);
    await waitUntil('the cluster to be as before', async () => (await countLeft()) <= cap * 2, 240_000).catch(() => undefined);
    const after = await countStoredObjects();
    const left = sum(after) - sum(objectsBefore);
    t.log(`${left} more than before at the end: ${listChanges(objectsBefore, after)}`);
    t.true(left <= cap * 2, `${left} objects are left`);
    const check = () =>
      findBrokenInvariants({ databaseUrl: plane.databaseUrl, artifacts: plane.artifacts, accepted: ids, quiescent: true });
    await waitUntil('a quiet plane', async () => (await check()).length === 0, 180_000).catch(() => undefined);
    t.deepEqual(await check(), []);
  });
}
