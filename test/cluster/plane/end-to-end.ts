import { createHash } from 'node:crypto';
import type { ExecutionContext, TestFn } from 'ava';
import { keys } from '#core/names.ts';
import type { JobView } from '#core/responses.ts';
import { ResultView } from '#core/responses.ts';
import { callIngress } from '../_ingress.ts';
import { queryLedger } from '../_ledger.ts';
import type { DeployedPlane } from '../_plane.ts';
import { setTicks } from '../_settings.ts';

const COMPETITION = 'https://www.kaggle.com/competitions/ames-house-prices';
const TIME_LIMIT_S = 90;
const PATIENCE_MS = 480_000;

/** The whole way with the real agent, from the URL to the file. */
export function testEndToEnd(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial(
    'POST /run through the ingress: a pod solves the demo, events alone bring it to its end, the submission comes back as it was stored',
    async (t) => {
      t.timeout(PATIENCE_MS);
      const plane = getPlane();
      await setTicks(false);
      const requestedAt = new Date();
      const id = await plane.submit({ kaggle_url: COMPETITION, time_limit_s: TIME_LIMIT_S, resources: { cpu: '500m', memory: '2Gi' } });
      const acceptedMs = Date.now() - requestedAt.getTime();
      const job = await plane.waitForEnd(id);
      t.is(job.status, 'success', job.reason);
      await logTimeLine(t, plane, { job, requestedAt, acceptedMs });
      await assertResult(t, plane, job);
    },
  );
}

/** The answer, the object in the bucket, and the row in the ledger say the same. */
async function assertResult(t: ExecutionContext<unknown>, plane: DeployedPlane, job: JobView): Promise<void> {
  const id = job.job_id;
  const answer = await callIngress({ address: plane.urls.result, path: `/result/${id}` });
  t.is(answer.status, 200);
  const { result } = ResultView.parse(JSON.parse(answer.body.toString()));
  t.like(result, { valid: true, quality: 'model', partial: false }, JSON.stringify(result));
  t.log(`cv ${result?.cv?.score}, stand-in's public score ${result?.leaderboard?.public ?? 'not asked for'}`);
  const submission = await callIngress({ address: plane.urls.result, path: `/result/${id}/submission.csv` });
  t.is(submission.status, 200);
  t.regex(submission.body.toString('utf8', 0, 40), /^[^\n]+,[^\n]+\r?\n/);
  const object = await plane.artifacts.readObject(keys.result(id, job.attempt, 'submission.csv'), 64 * 2 ** 20);
  t.true(object !== null && submission.body.equals(object), 'byte-equal to the object in the bucket');
  const [row] = await queryLedger(plane, 'SELECT state, attempt, result FROM jobs WHERE id = $1', [id]);
  t.like(row, { state: 'success', attempt: job.attempt });
  const sha256 = createHash('sha256').update(submission.body).digest('hex');
  t.true(JSON.stringify(row?.['result']).includes(sha256), 'the row names the bytes');
}

/** Where the time went, by the clocks of the cluster (whole seconds), of storage and of the ledger. */
async function logTimeLine(
  t: ExecutionContext<unknown>,
  plane: DeployedPlane,
  known: { readonly job: JobView; readonly requestedAt: Date; readonly acceptedMs: number },
): Promise<void> {
  const { job } = known;
  const created = await plane.api.batch.readNamespacedJob({ name: job.k8s_job_name, namespace: 'runs' });
  const pod = job.k8s_pod_name === null ? null : await plane.api.core.readNamespacedPod({ name: job.k8s_pod_name, namespace: 'runs' });
  const agent = pod?.status?.containerStatuses?.find(({ name }) => name === 'agent')?.state?.terminated;
  const best = await plane.artifacts.statObject(keys.best(job.job_id, job.attempt, 1));
  const since = (time: Date | string | null | undefined) =>
    time == null ? 'unknown' : `${((new Date(time).getTime() - known.requestedAt.getTime()) / 1000).toFixed(1)} s`;
  t.log(
    [
      `request 0 s (answered after ${known.acceptedMs} ms)`,
      `Job created ${since(created.metadata?.creationTimestamp)}`,
      `pod started ${since(agent?.startedAt)}`,
      `first valid file ${since(best?.createdAt)}`,
      `Job ended ${since(created.status?.completionTime)}`,
      `recorded ${since(job.completed_at)}`,
    ].join(' → '),
  );
}
