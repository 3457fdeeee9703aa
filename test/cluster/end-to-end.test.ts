import { createHash, randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { openApiClient } from '#adapters/cluster/kubernetes/api-client.ts';
import { EVENT_TYPES } from '#core/events.ts';
import { JobView, ResultView } from '#core/responses.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { callIngress, postToBroker } from './_ingress.ts';
import { requireSetting } from './_harness.ts';

const COMPETITION = 'https://www.kaggle.com/competitions/ames-house-prices';
const TIME_LIMIT_S = 90;
const JOB_PATIENCE_MS = 300_000;
/** Not status and collector, which a production overlay keeps for five minutes more, and not the reconciler, which comes back with each tick. */
const SHORT_LIVED = ['submit', 'result', 'job-launcher', 'dead-letter'];
const DEPLOY = join(import.meta.dirname, '../../scripts/deploy/main.ts');

const Deployed = z.object({ urls: z.object({ submit: z.string(), status: z.string(), result: z.string() }) });

let urls: z.infer<typeof Deployed>['urls'];

test.before(async () => {
  urls = Deployed.parse(await deploy([])).urls;
});

test.after.always('the overlay goes, and leaves nothing', async (t) => {
  await deploy(['--remove']);
  const api = await openApiClient({ kubeconfig: requireSetting('KUBECONFIG'), timeoutMs: 10_000 });
  const { items } = await api.core.listNamespace({});
  api.close();
  const left = items.map(({ metadata }) => metadata?.name ?? '').filter((name) => name === 'plane' || name === 'runs');
  t.deepEqual(left, []);
});

/** Runs the installer as a person does; the last line of stdout is its result. */
async function deploy(args: readonly string[]): Promise<unknown> {
  const child = spawn(process.execPath, [DEPLOY, '--overlay', 'dev', '--kubeconfig', requireSetting('KUBECONFIG'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`the installer ended with ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? 'null');
}

async function readJob(id: string): Promise<JobView> {
  const answer = await callIngress({ address: urls.status, path: `/status/${id}?wait=20` });
  if (answer.status !== 200) throw new Error(`GET /status answered ${answer.status}: ${answer.body.toString().slice(0, 300)}`);
  return JobView.parse(JSON.parse(answer.body.toString()));
}

test.serial('POST /run through the ingress: a pod solves the demo, and the submission comes back as it was stored', async (t) => {
  const startedAt = Date.now();
  const accepted = await callIngress({
    address: urls.submit,
    method: 'POST',
    path: '/run',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kaggle_url: COMPETITION, time_limit_s: TIME_LIMIT_S, resources: { cpu: '1', memory: '2Gi' } }),
  });
  t.is(accepted.status, 201, accepted.body.toString());
  t.log(`accepted after ${Date.now() - startedAt} ms`);
  const { job_id: id } = z.object({ job_id: z.string() }).parse(JSON.parse(accepted.body.toString()));
  const job = await waitUntil(
    'the job to end',
    async () => {
      const view = await readJob(id);
      return view.completed_at !== null && view;
    },
    JOB_PATIENCE_MS,
  );
  t.is(job.status, 'success', job.reason);
  const since = (time: string | null | undefined) => (time == null ? 'never' : `${Date.parse(time) - startedAt} ms`);
  t.log(`in the cluster ${since(job.queued_at)}, agent started ${since(job.started_at)}, recorded ${since(job.completed_at)}`);

  const result = await callIngress({ address: urls.result, path: `/result/${id}` });
  t.is(result.status, 200);
  const recorded = ResultView.parse(JSON.parse(result.body.toString())).result;
  t.like(recorded, { valid: true, quality: 'model', partial: false }, JSON.stringify(recorded));
  t.log(
    `cv ${recorded?.cv?.score}, stand-in's public score ${recorded?.leaderboard?.public}, first valid file after ${recorded?.first_valid_seconds} s`,
  );
  const file = recorded?.files.find(({ name }) => name === 'submission.csv');
  const submission = await callIngress({ address: urls.result, path: `/result/${id}/submission.csv` });
  t.is(submission.status, 200);
  t.truthy(file, 'the result names its submission');
  t.is(createHash('sha256').update(submission.body).digest('hex'), file?.sha256 ?? '');
  t.regex(submission.body.toString('utf8', 0, 40), /^[^\n]+,[^\n]+\r?\n/);
});

test.serial('one CloudEvent sent twice to the intake broker is one job', async (t) => {
  const event = { source: '/test/cluster', id: randomUUID() };
  const message = {
    headers: {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-type': EVENT_TYPES.requested,
      'ce-source': event.source,
      'ce-id': event.id,
    },
    body: JSON.stringify({ kaggle_url: COMPETITION, time_limit_s: 60 }),
  };
  for (const _ of [1, 2]) t.is((await postToBroker('intake', message)).status, 202);
  const query = new URLSearchParams({ request_source: event.source, request_id: event.id });
  const Jobs = z.object({ jobs: z.array(z.object({ job_id: z.string() })) });
  const jobs = await waitUntil('the job of the event', async () => {
    const answer = await callIngress({ address: urls.status, path: `/jobs?${query.toString()}` });
    const found = Jobs.parse(JSON.parse(answer.body.toString())).jobs;
    return found.length > 0 && found;
  });
  t.is(jobs.length, 1);
  const id = jobs[0]?.job_id ?? '';
  t.is((await callIngress({ address: urls.submit, method: 'DELETE', path: `/jobs/${id}` })).status, 200);
  const job = await waitUntil('the cancelled job to end', async () => {
    const view = await readJob(id);
    return view.completed_at !== null && view;
  });
  t.is(job.status, 'cancelled', job.reason);
});

test.serial('when nobody asks, the functions go to zero', async (t) => {
  const api = await openApiClient({ kubeconfig: requireSetting('KUBECONFIG'), timeoutMs: 10_000 });
  t.teardown(() => api.close());
  for (const name of SHORT_LIVED) {
    await waitUntil(
      `${name} at zero`,
      async () => {
        const { items } = await api.core.listNamespacedPod({ namespace: 'plane', labelSelector: `serving.knative.dev/service=${name}` });
        return items.length === 0;
      },
      240_000,
    );
  }
  t.pass();
});
