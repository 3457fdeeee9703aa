import type { ArtifactStore, AttemptWithJob, Clock, JobRunner, JobStore, Logger, RunObservation } from '../ports.ts';
import type { AgentEvent } from '../report.ts';
import type { AttemptEnd } from './record.ts';
import type { AttemptPolicy } from '../attempt-policy.ts';
import type { FailureCode } from '../job.ts';
import { isOver } from '../ports.ts';
import { ATTEMPT_BACKOFF, LAUNCH_BACKOFF, computeBackoffDelayMs } from '../retry.ts';
import { applyWords } from './progress.ts';
import { decideAfterFailure } from '../attempt-policy.ts';
import { readBest, readManifest } from './read-agent.ts';
import { readClaim, takeClaim } from './claim-takeover.ts';
import { recordFailure, recordNotStarted, recordRetry, recordSuccess } from './record.ts';

export interface CollectDependencies {
  readonly store: JobStore;
  readonly runner: JobRunner;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly config: { readonly policy: AttemptPolicy };
}

/** What one look did. `changed` outcomes found by a tick are repairs: a hint should have come first. */
export interface CollectOutcome {
  readonly kind: 'unknown' | 'unchanged' | 'progressed' | 'recorded' | 'requeued' | 'settled';
}

/** How long a manifest may lie while its agent still lives before it is recorded anyway: normally the process ends within a second. */
const MANIFEST_PATIENCE_MS = 10_000;

/**
 * Looks at one attempt and brings the ledger up to date: new words, then a manifest, then what the cluster says. Safe to call at any time,
 * any number of times, by anybody; hints and ticks are the same call.
 */
export async function collectAttempt(deps: CollectDependencies, params: { jobId: string; number: number }): Promise<CollectOutcome> {
  const read = await deps.store.getAttempt(params.jobId, params.number);
  if (read === null) return { kind: 'unknown' };
  if (read.attempt.state === 'ended' || read.job.attempt !== read.attempt.number) return settleCluster(deps, read);
  const first = await applyWords(deps, read);
  const observation = await deps.runner.observe(first.read.attempt.jobName);
  if (observation !== null && !isOver(observation)) return collectAlive(deps, first, observation);
  // The agent may have spoken, or somebody have had it removed, between our reading and its end: read once more, now that nothing of it lives.
  const again = await deps.store.getAttempt(params.jobId, params.number);
  const last = await applyWords(deps, again ?? first.read);
  return collectEnded(deps, { read: last.read, exited: last.exited ?? first.exited }, observation);
}

/** The same, for a name in the cluster; a Job that the ledger does not know is counted and left alone. */
export async function collectByName(deps: CollectDependencies, jobName: string): Promise<CollectOutcome> {
  const read = await deps.store.findAttemptByName(jobName);
  if (read !== null) return collectAttempt(deps, { jobId: read.job.id, number: read.attempt.number });
  await deps.store.addCounters({ unknown_cluster_jobs: 1 });
  return { kind: 'unknown' };
}

type Read = { readonly read: AttemptWithJob; readonly exited: Extract<AgentEvent, { type: 'exited' }> | null };

async function collectAlive(
  deps: CollectDependencies,
  state: Read & { changed: boolean },
  observation: RunObservation,
): Promise<CollectOutcome> {
  const { job, attempt, now } = state.read;
  const manifest = await readManifest(deps.artifacts, { jobId: job.id, attempt: attempt.number });
  if (manifest?.kind === 'valid' && now.getTime() - manifest.writtenAt.getTime() > MANIFEST_PATIENCE_MS) {
    const end: AttemptEnd = { outcome: 'success', exitCode: null, reason: 'manifest recorded while the agent still lived', alive: true };
    if (await recordSuccess(deps, state.read, manifest.manifest, end)) return { kind: 'recorded' };
  }
  if (!attempt.slotHeld || attempt.state === 'waiting') {
    // Created after the launcher had given the slot back (its error came after the effect): adopt it.
    await deps.store.changeAttempt({
      jobId: job.id,
      number: attempt.number,
      from: ['waiting', 'launched', 'claimed'],
      change: {
        ...(attempt.state === 'waiting' && { state: 'launched' as const }),
        slotHeld: true,
        clusterUid: observation.uid,
        stamp: ['launchedAt'],
      },
    });
    await deps.store.addCounters({ adopted_runs: 1 });
    return { kind: 'progressed' };
  }
  await noteWaiting(deps.store, state.read, observation);
  return { kind: state.changed ? 'progressed' : 'unchanged' };
}

/** Says why an attempt that is in the cluster does not start: no node, no image. Only a new reason is written; another writer goes first. */
async function noteWaiting(store: JobStore, { job }: AttemptWithJob, observation: RunObservation): Promise<void> {
  if (job.state !== 'queued' || observation.phase !== 'waiting' || job.cancelRequestedAt !== null) return;
  const reason = observation.reason.slice(0, 500);
  if (reason === job.reason) return;
  await store.changeJob({ job, from: ['queued'], change: { reason }, history: [{ type: 'queued', message: reason }], outbox: [] });
}

/** Nothing of the attempt lives. A valid manifest decides, whatever else was said; then the reason we removed it; then its own end. */
async function collectEnded(deps: CollectDependencies, state: Read, observation: RunObservation | null): Promise<CollectOutcome> {
  const { read } = state;
  const { job, attempt } = read;
  const manifest = await readManifest(deps.artifacts, { jobId: job.id, attempt: attempt.number });
  const exitCode = observation?.exitCode ?? state.exited?.exitCode ?? null;
  if (manifest?.kind === 'valid') {
    const end: AttemptEnd = { outcome: 'success', exitCode, reason: 'manifest recorded', alive: false };
    return finish(deps, read, observation, await recordSuccess(deps, read, manifest.manifest, end));
  }
  const claim = await readClaim(deps.artifacts, job.id, attempt.number);
  if (claim === null && job.cancelRequestedAt === null) {
    // A launcher is at work on it, or will be: a missing Job with an unclaimed attempt is created again under the same attempt.
    if (observation === null && (attempt.state === 'launching' || attempt.state === 'waiting')) return { kind: 'unchanged' };
    if (observation === null || attempt.removeReason === 'cannot-start') return requeueUnstarted(deps, read, observation);
  }
  if (observation === null && attempt.state === 'launching' && claim === null && !isLeaseOver(read)) return { kind: 'unchanged' };
  await takeClaim(deps.artifacts, job.id, attempt.number);
  const failure = classifyEnd(read, state.exited, observation, manifest !== null);
  const message = describeEnd(failure, state.exited, observation, manifest?.kind === 'invalid' ? manifest.problem : null);
  return recordEnd(deps, { read, observation, failure, message, exitCode });
}

function isLeaseOver({ attempt, now }: AttemptWithJob): boolean {
  return attempt.leaseUntil === null || attempt.leaseUntil.getTime() < now.getTime();
}

async function requeueUnstarted(
  deps: CollectDependencies,
  read: AttemptWithJob,
  observation: RunObservation | null,
): Promise<CollectOutcome> {
  const { job, attempt } = read;
  const failed = attempt.removeReason === 'cannot-start';
  const startFailures = job.startFailures + (failed ? 1 : 0);
  const reason = failed ? `the attempt did not start (${observation?.reason ?? job.reason})` : 'its Job disappeared before it started';
  if (failed && startFailures >= deps.config.policy.maxStartFailures) {
    await takeClaim(deps.artifacts, job.id, attempt.number);
    const message = `Could not start ${startFailures} times: ${observation?.reason ?? job.reason}. Look at the cluster's capacity and images.`;
    return recordEnd(deps, { read, observation, failure: 'cannot-start', message, exitCode: null });
  }
  const delayMs = computeBackoffDelayMs(LAUNCH_BACKOFF, startFailures + 1, deps.random);
  const done = await recordNotStarted(deps.store, { read, startFailures, delayMs, reason });
  return { kind: done ? 'requeued' : 'unchanged' };
}

async function recordEnd(
  deps: CollectDependencies,
  params: { read: AttemptWithJob; observation: RunObservation | null; failure: FailureCode; message: string; exitCode: number | null },
): Promise<CollectOutcome> {
  const { read, failure, message, exitCode } = params;
  const end: AttemptEnd = { outcome: failure, exitCode, reason: message, alive: false };
  const after =
    failure === 'cannot-start'
      ? ({ kind: 'final', state: 'failed', error: { code: failure, message, turn: 'operator' } } as const)
      : decideAfterFailure({ job: read.job, failure, message, now: read.now, policy: deps.config.policy });
  if (after.kind === 'retry') {
    const delayMs = computeBackoffDelayMs(ATTEMPT_BACKOFF, read.job.failedAttempts + 1, deps.random);
    const done = await recordRetry(deps.store, {
      read,
      end,
      charged: after.charged,
      delayMs,
      resources: after.resources,
      reason: after.reason,
    });
    if (done && params.observation !== null) await forgetRun(deps, read, params.observation);
    return { kind: done ? 'requeued' : 'unchanged' };
  }
  const best = await readBest(deps.artifacts, read);
  return finish(deps, read, params.observation, await recordFailure(deps, { read, end, state: after.state, error: after.error, best }));
}

async function finish(
  deps: CollectDependencies,
  read: AttemptWithJob,
  observation: RunObservation | null,
  done: boolean,
): Promise<CollectOutcome> {
  if (observation !== null) await forgetRun(deps, read, observation);
  else await markSettled(deps, read);
  return { kind: done ? 'recorded' : 'unchanged' };
}

/** For attempts whose end is in the ledger: lets the cluster forget them, and frees the slot once nothing lives. */
async function settleCluster(deps: CollectDependencies, read: AttemptWithJob): Promise<CollectOutcome> {
  const { attempt } = read;
  if (!attempt.slotHeld && attempt.recordedInCluster) return { kind: 'unchanged' };
  const observation = await deps.runner.observe(attempt.jobName);
  if (observation === null) {
    await markSettled(deps, read);
    return { kind: 'settled' };
  }
  if (isOver(observation)) {
    await forgetRun(deps, read, observation);
    return { kind: 'settled' };
  }
  if (attempt.slotHeld) return { kind: 'unchanged' };
  // It came to life after its end was recorded (a lost reply): hold a slot for it, so that the launcher removes it.
  await deps.store.changeAttempt({ jobId: attempt.jobId, number: attempt.number, from: ['ended'], change: { slotHeld: true } });
  return { kind: 'progressed' };
}

async function forgetRun(deps: CollectDependencies, read: AttemptWithJob, observation: RunObservation): Promise<void> {
  if (!observation.recorded) await deps.runner.markRecorded({ jobName: observation.jobName, uid: observation.uid });
  await markSettled(deps, read);
}

async function markSettled(deps: CollectDependencies, { attempt }: AttemptWithJob): Promise<void> {
  await deps.store.changeAttempt({
    jobId: attempt.jobId,
    number: attempt.number,
    from: ['ended'],
    change: { slotHeld: false, recordedInCluster: true },
  });
}

/** The failure's class: why we removed it, else what the cluster says, else what the agent said, else that it vanished. */
function classifyEnd(
  { job, attempt }: AttemptWithJob,
  exited: Read['exited'],
  observation: RunObservation | null,
  hasManifest: boolean,
): FailureCode {
  if (job.cancelRequestedAt !== null) return 'cancelled';
  if (attempt.removeReason === 'deadline' || attempt.removeReason === 'stuck') return attempt.removeReason;
  if (hasManifest) return 'manifest-invalid';
  if (observation === null) return exited?.error?.code ?? 'lost';
  if (observation.phase === 'succeeded') return 'no-manifest';
  return observation.failure ?? exited?.error?.code ?? 'crashed';
}

function describeEnd(failure: FailureCode, exited: Read['exited'], observation: RunObservation | null, problem: string | null): string {
  if (failure === 'manifest-invalid') return `The attempt's result can't be trusted: ${problem ?? 'unknown'}.`;
  if (failure === 'no-manifest') return 'The agent ended without a result.';
  if (failure === 'stuck') return 'The attempt said nothing for too long and was stopped.';
  if (failure === 'deadline' && observation === null) return 'The attempt did not end at its time limit and was cut off.';
  if (exited !== null && exited.error !== null && exited.error.code === failure) return exited.error.message.slice(0, 1000);
  if (observation === null) return 'The attempt disappeared from the cluster.';
  return observation.reason.slice(0, 1000);
}
