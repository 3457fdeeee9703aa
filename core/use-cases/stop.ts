import type { ArtifactStore, AttemptWithJob, JobRunner, JobStore, Logger } from '../ports.ts';
import type { AttemptPolicy } from '../attempt-policy.ts';
import type { FailureCode } from '../job.ts';
import { isOver } from '../ports.ts';
import { decideRemoval } from '../attempt-policy.ts';
import { forEachLimited } from '../concurrency.ts';
import { keys } from '../names.ts';
import { readClaim } from './claim-takeover.ts';

export interface StopDependencies {
  readonly store: JobStore;
  readonly runner: JobRunner;
  readonly artifacts: ArtifactStore;
  readonly logger: Logger;
  readonly config: { readonly policy: AttemptPolicy };
}

export interface StopReport {
  readonly removed: number;
}

const PAGE = 500;

/**
 * Deletes from the cluster what must not run any longer: cancelled, cut off, stuck, never started, or ended and still alive. Only asks; the
 * collector records the end once the cluster says that it is gone.
 */
export async function stopAttempts(deps: StopDependencies): Promise<StopReport> {
  let removed = 0;
  let after: string | null = null;
  do {
    const page: { items: AttemptWithJob[]; next: string | null } = await deps.store.listOpenAttempts({ after, limit: PAGE });
    await forEachLimited(page.items, 8, async (item) => {
      const reason = decideRemoval(item, deps.config.policy);
      if (reason !== null && (await removeAttempt(deps, item, reason))) removed += 1;
    });
    after = page.next;
  } while (after !== null);
  return { removed };
}

async function removeAttempt(deps: StopDependencies, item: AttemptWithJob, reason: FailureCode): Promise<boolean> {
  const { attempt } = item;
  if (await isContradictedByStorage(deps.artifacts, item, reason)) return false;
  const observation = await deps.runner.observe(attempt.jobName);
  if (observation === null) return false;
  if (attempt.removeReason === null && attempt.state !== 'ended') {
    // Noted before the deletion: whoever records the end must know why the Job is gone.
    const noted = await deps.store.changeAttempt({
      jobId: attempt.jobId,
      number: attempt.number,
      from: ['launching', 'launched', 'claimed'],
      change: { removeReason: reason, stamp: ['removeRequestedAt'] },
    });
    if (noted === null) return false;
  }
  if (observation.deleting || isOver(observation)) return false;
  deps.logger.info({ job_id: attempt.jobId, attempt: attempt.number, reason }, 'deleting the attempt from the cluster');
  await deps.runner.remove({ jobName: attempt.jobName, uid: observation.uid });
  return true;
}

/** The ledger can be behind (the collector was down): silence and a missing start are confirmed in storage before anything is deleted. */
async function isContradictedByStorage(artifacts: ArtifactStore, { attempt }: AttemptWithJob, reason: FailureCode): Promise<boolean> {
  if (reason === 'cannot-start') return (await readClaim(artifacts, attempt.jobId, attempt.number)) !== null;
  if (reason !== 'stuck') return false;
  const newer = await artifacts.listObjects({
    prefix: keys.eventPrefix(attempt.jobId, attempt.number),
    after: keys.event(attempt.jobId, attempt.number, attempt.lastEventSeq),
    limit: 1,
  });
  return newer.length > 0;
}
