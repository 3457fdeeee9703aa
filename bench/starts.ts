import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { startLocalPlane } from '#local/plane.ts';
import type { LocalPlane } from '#local/plane.ts';

/** Milliseconds from a moment of the ledger to the start of the attempt's process. */
export interface StartTimes {
  readonly jobs: number;
  readonly cap: number;
  /** One job at a time, a slot free: from the committed job. */
  readonly singleP50Ms: number;
  /** All at once, more than there are slots: from the claim of the slot, since the wait for one is the cap's doing. */
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const STUB = fileURLToPath(new URL('../test/fixtures/agents/stub-agent.ts', import.meta.url));
const SINGLE_JOBS = 30;
const TIMEOUT_MS = 300_000;

/** Runs jobs of the stub agent through a whole plane and reads when their processes started. */
export async function measureStarts(params: { readonly folder: string; readonly jobs: number }): Promise<StartTimes> {
  const cap = availableParallelism();
  const plane = await startLocalPlane({
    dataDir: join(params.folder, 'plane'),
    port: 0,
    cap,
    tickMs: 2000,
    logLevel: 'silent',
    agent: { entry: STUB },
  });
  try {
    const single: string[] = [];
    for (let index = 0; index < SINGLE_JOBS; index += 1) {
      const id = await submit(plane);
      await waitForEnds(plane, [id]);
      single.push(id);
    }
    const burst = await Promise.all(Array.from({ length: params.jobs }, () => submit(plane)));
    await waitForEnds(plane, burst);
    const singleMs = await readStartsMs(plane, single, 'job');
    const burstMs = await readStartsMs(plane, burst, 'slot');
    return { jobs: params.jobs, cap, singleP50Ms: quantile(singleMs, 0.5), p50Ms: quantile(burstMs, 0.5), p95Ms: quantile(burstMs, 0.95) };
  } finally {
    await plane.close({ endAttempts: true });
  }
}

async function submit(plane: LocalPlane): Promise<string> {
  const response = await fetch(`${plane.url}/run`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ kaggle_url: 'https://www.kaggle.com/competitions/titanic', hint: '{"steps":1}' }),
  });
  if (response.status !== 201) throw new Error(`POST /run answered ${response.status}`);
  return ((await response.json()) as { job_id: string }).job_id;
}

async function waitForEnds(plane: LocalPlane, ids: readonly string[]): Promise<void> {
  const stopAt = performance.now() + TIMEOUT_MS;
  for (const id of ids) {
    for (;;) {
      const job = await plane.ports.store.getJob(id);
      if (job?.completedAt != null) break;
      if (performance.now() > stopAt) throw new Error(`job ${id} did not end`);
      await pause(20);
    }
  }
}

async function readStartsMs(plane: LocalPlane, ids: readonly string[], from: 'job' | 'slot'): Promise<number[]> {
  const times: number[] = [];
  for (const id of ids) {
    const read = await plane.ports.store.getAttempt(id, 1);
    const run = read === null ? null : await plane.ports.runner.observe(read.attempt.jobName);
    if (read === null || run?.startedAt == null) throw new Error(`job ${id} has no start`);
    const since = from === 'job' ? read.job.createdAt : read.attempt.createdAt;
    times.push(run.startedAt.getTime() - since.getTime());
  }
  return times.sort((left, right) => left - right);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
