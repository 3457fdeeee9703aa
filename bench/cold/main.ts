/**
 * `npm run bench:cold`: on a real cluster with the overlay `dev`, what a cold start costs beside a bare `node:http` server of the same image and
 * size, and how long an event takes to become a Job beside Knative's own JobSink. Needs the settings of the cluster suite. `--json` prints one object.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { callIngress, callThrough } from '#test/cluster/_ingress.ts';
import { kubectl } from '#test/cluster/_kubectl.ts';
import { requireSetting } from '#test/cluster/_harness.ts';
import { deployPlane, stubJob } from '#test/cluster/_plane.ts';
import type { DeployedPlane } from '#test/cluster/_plane.ts';
import { useStubAgent } from '#test/cluster/_settings.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { NAMESPACE, listObjects } from './manifests.ts';
import { watchJobs } from './watch-jobs.ts';

const COLD_ROUNDS = 4;
const WARM_CALLS = 40;
const EVENTS = 15;
const PATIENCE_MS = 300_000;
const say = (line: string) => void process.stderr.write(`${line}\n`);

/** Milliseconds of several tries of one thing. */
type Samples = Map<string, number[]>;

function add(samples: Samples, name: string, ms: number): void {
  samples.set(name, [...(samples.get(name) ?? []), ms]);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** One call through the ingress; throws when the answer is not the expected one. */
async function timeCall(address: string, call: { path: string; method?: string; body?: string; status: number }): Promise<number> {
  const { path, method = 'GET', body } = call;
  const startedMs = performance.now();
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const answer = await callIngress({ address, path, method, headers, ...(body !== undefined && { body }) });
  if (answer.status !== call.status) throw new Error(`${address}${path} answered ${answer.status}, not ${call.status}`);
  return performance.now() - startedMs;
}

async function waitForZero(namespace: string, service: string): Promise<void> {
  const args = ['get', 'pods', '--namespace', namespace, '--selector', `serving.knative.dev/service=${service}`, '--output', 'name'];
  await waitUntil(`${service} at zero`, async () => (await kubectl(args)).trim() === '', PATIENCE_MS);
}

/** First answers of functions that were at zero, one after the other, in another order each round. */
async function measureColdStarts(plane: DeployedPlane, bare: string): Promise<Samples> {
  const unknown = randomUUID();
  const calls = [
    { name: 'bare', address: bare, namespace: NAMESPACE, path: '/', status: 200 },
    { name: 'submit', address: plane.urls.submit, namespace: 'plane', path: '/livez', status: 200 },
    { name: 'status', address: plane.urls.status, namespace: 'plane', path: '/health', status: 200 },
    { name: 'result', address: plane.urls.result, namespace: 'plane', path: `/result/${unknown}`, status: 404 },
  ];
  const samples: Samples = new Map();
  for (let round = 0; round < COLD_ROUNDS; round += 1) {
    for (const { name, namespace } of calls) await waitForZero(namespace, name);
    for (const call of [...calls.slice(round % calls.length), ...calls.slice(0, round % calls.length)]) {
      const ms = await timeCall(call.address, call);
      add(samples, call.name, ms);
      say(`cold, round ${round + 1}: ${call.name} ${ms.toFixed(0)} ms`);
    }
  }
  return samples;
}

/** Answers of functions that are up, interleaved; the jobs that this makes are ended by their stub at once. */
async function measureWarmCalls(plane: DeployedPlane, bare: string): Promise<Samples> {
  const samples: Samples = new Map();
  const body = JSON.stringify(stubJob({ steps: 1 }));
  const cold = await timeCall(plane.urls.submit, { path: '/run', method: 'POST', body, status: 201 });
  add(samples, 'POST /run, first', cold);
  for (let index = 0; index < WARM_CALLS; index += 1) {
    add(samples, 'bare', await timeCall(bare, { path: '/', status: 200 }));
    const dry = JSON.stringify({ ...stubJob(), priority: -1 });
    add(samples, 'POST /run', await timeCall(plane.urls.submit, { path: '/run', method: 'POST', body: dry, status: 201 }));
  }
  return samples;
}

async function postEvent(broker: string, id: string): Promise<void> {
  const to = requireSetting('KAGGLE_AGENT_TEST_BROKER_URL');
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-type': 'dev.kaggle-agent.job.requested.v1',
    'ce-source': '/bench/cold',
    'ce-id': id,
  };
  const body = JSON.stringify(stubJob({ steps: 1 }));
  const answer = await callThrough({ to, address: to, method: 'POST', path: `/${broker}`, headers, body });
  if (answer.status !== 202) throw new Error(`the broker ${broker} answered ${answer.status}`);
}

/** The same event into our intake broker and into one before a JobSink, in turns: from the broker's answer until the Job is seen. */
async function measureEvents(plane: DeployedPlane, withJobSink: boolean): Promise<Samples> {
  const samples: Samples = new Map();
  const sides = [
    { name: 'event → Job, ours', broker: 'plane/intake', watch: watchJobs('runs') },
    ...(withJobSink ? [{ name: 'event → Job, JobSink', broker: `${NAMESPACE}/bench`, watch: watchJobs(NAMESPACE) }] : []),
  ];
  try {
    for (let index = 0; index <= EVENTS; index += 1) {
      for (const { name, broker, watch } of sides) {
        const known = new Set(watch.jobs.keys());
        const startedMs = Date.now();
        await postEvent(broker, randomUUID());
        const find = () => [...watch.jobs.values()].find((job) => !known.has(job.name));
        const job = await waitUntil(`${name}: the Job`, find, PATIENCE_MS);
        // The first of each side may have to wake functions.
        add(samples, index === 0 ? `${name}, first` : name, job.createdMs - startedMs);
        await waitUntil(`${name}: its end`, () => (watch.jobs.get(job.name)?.completedMs ?? null) !== null, PATIENCE_MS);
      }
    }
    await measureRecording(plane, samples, sides[0]?.watch.jobs ?? new Map());
  } finally {
    for (const { watch } of sides) await watch.close();
  }
  return samples;
}

async function measureRecording(
  plane: DeployedPlane,
  samples: Samples,
  jobs: ReadonlyMap<string, { readonly completedMs: number | null }>,
): Promise<void> {
  const answer = await callIngress({ address: plane.urls.status, path: '/jobs?limit=500' });
  const page = JSON.parse(answer.body.toString()) as { jobs: { k8s_job_name: string; completed_at: string | null }[] };
  for (const { k8s_job_name: name, completed_at: recordedAt } of page.jobs) {
    const completedMs = jobs.get(name)?.completedMs ?? null;
    if (completedMs !== null && recordedAt !== null) add(samples, 'Job ended → recorded', Date.parse(recordedAt) - completedMs);
  }
}

async function readAddress(): Promise<string> {
  const read = ['get', 'services.serving.knative.dev', 'bare', '--namespace', NAMESPACE, '--output', 'jsonpath={.status.url}'];
  return waitUntil('the address of the bare server', async () => (await kubectl(read)).trim() || null, PATIENCE_MS);
}

function report(samples: Samples, json: boolean): void {
  const rows = [...samples].map(([name, values]) => ({
    name,
    count: values.length,
    p50_ms: Math.round(quantile(values, 0.5)),
    p95_ms: Math.round(quantile(values, 0.95)),
  }));
  if (json) return void process.stdout.write(`${JSON.stringify({ rows })}\n`);
  const find = (name: string) => rows.find((row) => row.name === name)?.p50_ms ?? Number.NaN;
  const ratio = (above: string, below: string) => (find(above) / find(below)).toFixed(2);
  process.stdout.write('| what | tries | p50 | p95 |\n|---|---|---|---|\n');
  for (const { name, count, p50_ms: p50, p95_ms: p95 } of rows) process.stdout.write(`| ${name} | ${count} | ${p50} ms | ${p95} ms |\n`);
  process.stdout.write('\n| ratio of medians | |\n|---|---|\n');
  for (const name of ['submit', 'status', 'result'])
    process.stdout.write(`| cold ${name} to cold bare | ${ratio(`cold ${name}`, 'cold bare')} |\n`);
  process.stdout.write(`| warm POST /run to warm bare | ${ratio('warm POST /run', 'warm bare')} |\n`);
  process.stdout.write(`| event → Job to JobSink's | ${ratio('event → Job, ours', 'event → Job, JobSink')} |\n`);
}

async function main(): Promise<void> {
  const kinds = await kubectl(['api-resources', '--output', 'name']);
  const withJobSink = kinds.includes('jobsinks.sinks.knative.dev');
  if (!withJobSink) say('this cluster has no JobSink: nothing stands beside our way from event to Job');
  const plane = await deployPlane();
  try {
    await kubectl(['apply', '--filename', '-'], listObjects(withJobSink));
    await useStubAgent(4);
    const bare = await readAddress();
    await pause(1000);
    const samples: Samples = new Map();
    const merge = (prefix: string, more: Samples) => more.forEach((values, name) => samples.set(`${prefix}${name}`, values));
    merge('cold ', await measureColdStarts(plane, bare));
    merge('', await measureEvents(plane, withJobSink));
    merge('warm ', await measureWarmCalls(plane, bare));
    report(samples, process.argv.includes('--json'));
  } finally {
    await plane.close();
    await kubectl(['delete', 'namespace', NAMESPACE, '--ignore-not-found', '--wait']);
  }
}

await main();
