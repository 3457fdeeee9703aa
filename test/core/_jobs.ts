import type { Attempt, Job } from '#core/job.ts';
import type { AttemptWithJob } from '#core/ports.ts';

const NOW = new Date('2026-01-01T12:00:00Z');

/** A pending job as the ledger would return it; tests override what matters to them. */
export function makeJob(over: Partial<Job> = {}): Job {
  return {
    id: '0190aaaa-0000-7000-8000-0000deadbeef',
    tenant: 'default',
    slug: 'titanic',
    kaggleUrl: 'https://www.kaggle.com/competitions/titanic',
    jobName: 'kaggle-titanic-deadbeef',
    traceparent: null,
    state: 'pending',
    reason: '',
    version: 1,
    lastSeq: 1,
    options: {
      priority: 0,
      resources: { cpuMillis: 1000, memoryMib: 2048 },
      timeLimitS: 3600,
      budgetUsd: 2,
      llm: 'auto',
      hint: null,
      submitToKaggle: false,
      task: null,
    },
    attempt: 1,
    failedAttempts: 0,
    startFailures: 0,
    launchTries: 0,
    cancelRequestedAt: null,
    notBefore: null,
    createdAt: NOW,
    updatedAt: NOW,
    queuedAt: null,
    startedAt: null,
    firstStartedAt: null,
    completedAt: null,
    progress: null,
    error: null,
    result: null,
    requestSource: null,
    requestId: null,
    podName: null,
    ...over,
  };
}

/** An attempt that holds a slot and runs, together with its job. */
export function makeRead(over: { job?: Partial<Job>; attempt?: Partial<Attempt>; afterMs?: number } = {}): AttemptWithJob {
  const job = makeJob({ state: 'running', firstStartedAt: NOW, ...over.job });
  const attempt: Attempt = {
    jobId: job.id,
    number: 1,
    state: 'claimed',
    slotHeld: true,
    jobName: job.jobName,
    spec: {},
    specHash: 'hash',
    clusterUid: 'uid',
    leaseUntil: null,
    createdAt: NOW,
    launchedAt: NOW,
    claimedAt: NOW,
    endedAt: null,
    lastEventSeq: 1,
    lastEventAt: NOW,
    removeRequestedAt: null,
    removeReason: null,
    outcome: null,
    exitCode: null,
    reason: null,
    recordedInCluster: false,
    ...over.attempt,
  };
  return { job, attempt, now: new Date(NOW.getTime() + (over.afterMs ?? 0)) };
}
