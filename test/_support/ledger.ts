import { randomBytes } from 'node:crypto';
import { v7 as newId } from 'uuid';
import type { ChangeJobParams, InsertOutcome, JobStore, MakeAttempt, NewJob } from '#core/ports.ts';
import type { Job, JobOptions } from '#core/job.ts';
import type { SolutionReport } from '#core/report.ts';
import { EVENT_TYPES, eventSource } from '#core/events.ts';
import { buildJobName } from '#core/names.ts';

export const OPTIONS: JobOptions = {
  priority: 0,
  resources: { cpuMillis: 1000, memoryMib: 2048 },
  timeLimitS: 3600,
  budgetUsd: 2,
  llm: 'auto',
  hint: null,
  submitToKaggle: false,
  task: null,
};

/** A valid new job with its own id; `changes` replaces what a test is about. */
export function makeNewJob(changes: Partial<NewJob> & { readonly priority?: number } = {}): NewJob {
  const { priority, ...rest } = changes;
  const id = changes.id ?? newId();
  return {
    id,
    tenant: 'default',
    slug: 'titanic',
    kaggleUrl: 'https://www.kaggle.com/competitions/titanic',
    jobName: buildJobName('titanic', id, 1),
    options: { ...OPTIONS, priority: priority ?? 0 },
    reason: 'waiting for a free slot',
    traceparent: null,
    idempotencyKey: null,
    request: null,
    outbox: { type: EVENT_TYPES.submitted, source: eventSource('submit') },
    outboxLeaseMs: 0,
    ...rest,
  };
}

/** The job of an outcome; throws for `name-taken`. */
export function jobOf(outcome: InsertOutcome): Job {
  if (outcome.kind === 'name-taken') throw new Error('the name was taken');
  return outcome.job;
}

export async function addJob(store: JobStore, changes: Parameters<typeof makeNewJob>[0] = {}): Promise<Job> {
  return jobOf(await store.insertJob(makeNewJob(changes)));
}

/** Freezes a small spec that names the attempt. */
export const makeAttempt: MakeAttempt = (job, number) => ({
  jobName: buildJobName(job.slug, job.id, number),
  spec: { jobId: job.id, attempt: number, z: 1, a: 'order of keys is kept' },
  specHash: `hash-${number}`,
});

/** Gives slots to every pending job that is due. */
export function claim(store: JobStore, cap = 1000) {
  return store.claimSlots({ cap, leaseMs: 60_000, make: makeAttempt });
}

/** One change with one line of history and no event, unless told otherwise. */
export function change(store: JobStore, job: Job, params: Partial<ChangeJobParams> = {}): Promise<Job | null> {
  return store.changeJob({
    job,
    from: ['pending', 'queued', 'running'],
    change: {},
    history: [{ type: 'progressed', message: 'went on' }],
    outbox: [],
    ...params,
  });
}

/** The job, which must be there. */
export async function readJob(store: JobStore, id: string): Promise<Job> {
  const job = await store.getJob(id);
  if (job === null) throw new Error(`job ${id} is not in the ledger`);
  return job;
}

export async function readSeqs(store: JobStore, jobId: string): Promise<number[]> {
  return (await store.readHistory({ jobId, afterSeq: 0, limit: 1000 })).map((line) => line.seq);
}

export function makeSolution(number: number, changes: Partial<SolutionReport> = {}): SolutionReport {
  return {
    number,
    title: `solution ${number}`,
    kind: 'recipe',
    parents: [],
    state: 'valid',
    score: { score: 0.8, low: 0.7, high: 0.9 },
    foldScores: [0.8],
    aggregate: 'mean-of-folds',
    checks: [],
    trust: null,
    seconds: 1,
    failure: null,
    codeKey: null,
    logKey: null,
    ...changes,
  };
}

/** A key that no other test uses. */
export function randomKey(): string {
  return randomBytes(8).toString('hex');
}
