import type { ArtifactStore, AttemptWithJob, Clock, JobRunner, JobStore, Logger, MakeAttempt, RunObservation } from '../ports.ts';
import type { AttemptPolicy } from '../attempt-policy.ts';
import type { Attempt, Job } from '../job.ts';
import type { JobSpec } from '../job-spec.ts';
import { EVENT_TYPES, eventSource } from '../events.ts';
import { LAUNCH_BACKOFF, computeBackoffDelayMs } from '../retry.ts';
import { MIN_REMAINING_S, computeRemainingS } from '../attempt-policy.ts';
import { RunnerError } from '../ports.ts';
import { buildJobName } from '../names.ts';
import { canonicalJson } from '../canonical.ts';
import { forEachLimited } from '../concurrency.ts';
import { takeClaim } from './claim-takeover.ts';

export interface LaunchConfig {
  /** Most attempts that may hold a slot at a time. */
  readonly cap: number;
  /** How long a launcher may take between the claim of a slot and its report before another takes over. */
  readonly launchLeaseMs: number;
  readonly concurrency: number;
  readonly policy: AttemptPolicy;
}

export interface LaunchDependencies {
  readonly store: JobStore;
  readonly runner: JobRunner;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly hash: (text: string) => string;
  /** The attempt's signing token, derived from the plane's key; never stored. */
  readonly makeToken: (jobId: string, attempt: number) => string;
  readonly random: () => number;
  readonly logger: Logger;
  readonly config: LaunchConfig;
}

export interface LaunchReport {
  readonly launched: number;
  readonly deferred: number;
  readonly refused: number;
}

type LaunchOutcome = 'launched' | 'deferred' | 'refused';

const REPORT_TRIES = 10;
const ROUNDS = 20;

/**
 * Launching (protocol: three steps): claim free slots in the ledger, create each Job under its deterministic name, say `queued`. Launches
 * whose launcher died are taken over first. Two launchers at once never exceed the cap: the claim holds one advisory lock.
 */
export async function launchJobs(deps: LaunchDependencies): Promise<LaunchReport> {
  const { store, config } = deps;
  const counts = { launched: 0, deferred: 0, refused: 0 };
  const launchAll = (attempts: readonly AttemptWithJob[]) =>
    forEachLimited(attempts, config.concurrency, async (attempt) => {
      counts[await launchOne(deps, attempt)] += 1;
    });
  await launchAll(await store.takeExpiredLaunches({ leaseMs: config.launchLeaseMs, limit: 100 }));
  const make = buildAttemptMaker(deps.hash, config.policy);
  for (let round = 0; round < ROUNDS; round += 1) {
    const claimed = await store.claimSlots({ cap: config.cap, leaseMs: config.launchLeaseMs, make });
    if (claimed.length === 0) break;
    await launchAll(claimed);
  }
  return counts;
}

/** Freezes what an attempt is told: pure, called inside the claiming transaction. */
export function buildAttemptMaker(hash: (text: string) => string, policy: AttemptPolicy): MakeAttempt {
  return (job, number, now) => {
    const remainingS = Math.max(MIN_REMAINING_S, Math.floor(computeRemainingS(job, now)));
    const jobName = buildJobName(job.slug, job.id, number);
    const spec: JobSpec = {
      schemaVersion: 1,
      jobId: job.id,
      attempt: number,
      jobName,
      tenant: job.tenant,
      slug: job.slug,
      kaggleUrl: job.kaggleUrl,
      resources: job.options.resources,
      remainingS: Math.min(remainingS, job.options.timeLimitS),
      activeDeadlineS: Math.ceil(remainingS + (policy.startTimeoutMs + policy.deadlineGraceMs) / 1000),
      budgetUsd: job.options.budgetUsd,
      llm: job.options.llm,
      hint: job.options.hint,
      submitToKaggle: job.options.submitToKaggle,
      task: job.options.task,
      seed: Number.parseInt(hash(job.id).slice(0, 7), 16),
      traceparent: job.traceparent,
    };
    return { jobName, spec, specHash: hash(canonicalJson(spec)) };
  };
}

async function launchOne(deps: LaunchDependencies, { job, attempt }: AttemptWithJob): Promise<LaunchOutcome> {
  if (job.cancelRequestedAt !== null && (await deps.runner.observe(attempt.jobName)) === null) {
    // Taken over from a launcher that died before it created anything: nothing is there to stop, the collector ends the job.
    await deps.store.changeAttempt({
      jobId: job.id,
      number: attempt.number,
      from: ['launching'],
      change: { state: 'waiting', slotHeld: false, leaseForMs: null },
    });
    return 'deferred';
  }
  try {
    const observation = await deps.runner.create({
      spec: attempt.spec,
      specHash: attempt.specHash,
      jobName: attempt.jobName,
      jobId: job.id,
      attempt: attempt.number,
      token: deps.makeToken(job.id, attempt.number),
    });
    await reportLaunched(deps.store, { job, attempt, observation });
    return 'launched';
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    deps.logger.warn({ job_id: job.id, attempt: attempt.number, kind: error.kind, error: error.message }, 'launch refused');
    if (error.kind === 'busy') return await deferLaunch(deps, { job, attempt, error });
    await failRefused(deps, { job, attempt, error });
    return 'refused';
  }
}

/** Step (c). The agent may be faster than we are: then the job is `running` already and only the uid is noted. */
async function reportLaunched(
  store: JobStore,
  params: { readonly job: Job; readonly attempt: Attempt; readonly observation: RunObservation },
): Promise<void> {
  const { attempt, observation } = params;
  let job: Job | null = params.job;
  for (let tries = 0; tries < REPORT_TRIES && job !== null; tries += 1) {
    if (job.attempt !== attempt.number || job.state !== 'pending') break;
    const changed = await store.changeJob({
      job,
      from: ['pending'],
      change: {
        state: 'queued',
        reason: observation.reason,
        launchTries: 0,
        notBeforeInMs: null,
        podName: observation.podName,
        stamp: ['queuedAt'],
      },
      attempt: { state: 'launched', clusterUid: observation.uid, leaseForMs: null, stamp: ['launchedAt'] },
      history: [{ type: 'queued', message: `attempt ${attempt.number} is in the cluster as ${attempt.jobName}` }],
      outbox: [],
    });
    if (changed !== null) return;
    job = await store.getJob(attempt.jobId);
  }
  await store.changeAttempt({
    jobId: attempt.jobId,
    number: attempt.number,
    from: ['launching', 'launched', 'claimed'],
    change: { clusterUid: observation.uid, leaseForMs: null },
  });
}

/**
 * The cluster is busy. An error can come after the effect, so the name is looked up first: a Job that is there counts as launched. Otherwise the
 * slot is given back and the job waits, with no attempt used. When even the look-up fails, the lease runs out and a later launcher goes on.
 */
async function deferLaunch(
  deps: LaunchDependencies,
  params: { readonly job: Job; readonly attempt: Attempt; readonly error: RunnerError },
): Promise<LaunchOutcome> {
  const { attempt, error } = params;
  const observation = await deps.runner.observe(attempt.jobName);
  if (observation !== null && observation.specHash === attempt.specHash) {
    await reportLaunched(deps.store, { ...params, observation });
    return 'launched';
  }
  let job: Job | null = params.job;
  for (let tries = 0; tries < REPORT_TRIES && job !== null && job.state === 'pending' && job.attempt === attempt.number; tries += 1) {
    const delayMs = error.retryAfterMs ?? computeBackoffDelayMs(LAUNCH_BACKOFF, job.launchTries + 1, deps.random);
    const reason = `waiting: the cluster takes no more work just now (${error.message.slice(0, 200)})`;
    const changed = await deps.store.changeJob({
      job,
      from: ['pending'],
      change: { reason, launchTries: job.launchTries + 1, notBeforeInMs: delayMs },
      attempt: { state: 'waiting', slotHeld: false, leaseForMs: null },
      history: [{ type: 'requeued', message: reason }],
      outbox: [],
    });
    if (changed !== null) return 'deferred';
    job = await deps.store.getJob(attempt.jobId);
  }
  return 'deferred';
}

/** The cluster will never take this spec (400, 422, or the name belongs to something else): the job fails, whose turn is the operator's. */
async function failRefused(
  deps: LaunchDependencies,
  params: { readonly job: Job; readonly attempt: Attempt; readonly error: RunnerError },
): Promise<void> {
  const { attempt, error } = params;
  if ((await takeClaim(deps.artifacts, attempt.jobId, attempt.number)) === 'agent') return;
  let job: Job | null = params.job;
  for (let tries = 0; tries < REPORT_TRIES && job !== null && job.state === 'pending' && job.attempt === attempt.number; tries += 1) {
    const message = `The cluster refused the Job: ${error.message.slice(0, 500)}. Change the request or the cluster's limits and submit again.`;
    const changed = await deps.store.changeJob({
      job,
      from: ['pending'],
      change: { state: 'failed', reason: message, error: { code: 'spec-refused', message, turn: 'operator' }, stamp: ['completedAt'] },
      attempt: {
        state: 'ended',
        slotHeld: false,
        leaseForMs: null,
        outcome: 'spec-refused',
        reason: message,
        recordedInCluster: true,
        stamp: ['endedAt'],
      },
      history: [{ type: 'finished', message }],
      outbox: [{ type: EVENT_TYPES.failed, source: eventSource('job-launcher') }],
    });
    if (changed !== null) return;
    job = await deps.store.getJob(attempt.jobId);
  }
}
