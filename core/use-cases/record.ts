import type { ArtifactStore, AttemptChange, AttemptWithJob, JobChange, JobStore, OutboxDraft } from '../ports.ts';
import type { FinalState, Job, JobError, JobResult, ResultFile } from '../job.ts';
import type { BestRecord, Manifest, ManifestFile } from '../report.ts';
import { EVENT_TYPES, eventSource } from '../events.ts';
import { LIVE_STATES, isFinal } from '../job.ts';
import { keys } from '../names.ts';

export interface RecordDependencies {
  readonly store: JobStore;
  readonly artifacts: ArtifactStore;
}

const CONFLICT_TRIES = 20;
const FINAL_EVENT: Record<FinalState, string> = {
  success: EVENT_TYPES.succeeded,
  failed: EVENT_TYPES.failed,
  timeout: EVENT_TYPES.timedOut,
  cancelled: EVENT_TYPES.cancelled,
};

/** How an attempt ended, for its row. `alive`: something of it still runs, so it keeps its slot until the cluster lets go. */
export interface AttemptEnd {
  readonly outcome: NonNullable<AttemptChange['outcome']>;
  readonly exitCode: number | null;
  readonly reason: string;
  readonly alive: boolean;
}

/** Records a success: files are copied to `results/` (create-only) first, then one fenced transaction names them. False = another was first. */
export async function recordSuccess(deps: RecordDependencies, read: AttemptWithJob, manifest: Manifest, end: AttemptEnd): Promise<boolean> {
  const files = await copyFiles(deps.artifacts, read, manifest.files);
  const result: JobResult = {
    ...summarize(manifest),
    attempt: read.attempt.number,
    partial: false,
    leaderboard: manifest.leaderboard,
    files,
  };
  const reason = describeSuccess(manifest);
  return applyEnd(deps.store, read, end, { state: 'success', reason, error: null, result });
}

/** Records any other final state; the newest valid file so far is promoted as a partial result. False = another was first. */
export async function recordFailure(
  deps: RecordDependencies,
  params: {
    readonly read: AttemptWithJob;
    readonly end: AttemptEnd;
    readonly state: FinalState;
    readonly error: JobError;
    readonly best: BestRecord | null;
  },
): Promise<boolean> {
  const { read, end, state, error, best } = params;
  const result: JobResult | null =
    best === null
      ? null
      : {
          ...summarize(best),
          attempt: best.attempt,
          partial: true,
          leaderboard: null,
          files: await copyFiles(deps.artifacts, read, [best.file]),
        };
  return applyEnd(deps.store, read, end, { state, reason: error.message, error, result });
}

/** Ends the attempt and puts the job back in line, for attempt + 1. False = another was first. */
export async function recordRetry(
  store: JobStore,
  params: {
    readonly read: AttemptWithJob;
    readonly end: AttemptEnd;
    readonly charged: boolean;
    readonly delayMs: number;
    readonly resources: Job['options']['resources'] | null;
    readonly reason: string;
  },
): Promise<boolean> {
  const { read, end } = params;
  return changeCurrent(store, read, (job) => ({
    change: {
      state: 'pending',
      reason: `waiting for attempt ${read.attempt.number + 1}: ${params.reason}`.slice(0, 500),
      failedAttempts: job.failedAttempts + (params.charged ? 1 : 0),
      startFailures: 0,
      notBeforeInMs: params.delayMs,
      clear: ['queuedAt', 'startedAt', 'podName'],
      ...(params.resources && { resources: params.resources }),
    },
    attempt: endedAttempt(end),
    history: `attempt ${read.attempt.number} ended: ${params.reason}`,
    historyType: 'requeued',
    outbox: [{ type: EVENT_TYPES.requeued, source: eventSource('collector') }],
  }));
}

/** Puts the job back in line under the same attempt, which nobody had claimed and which is gone from the cluster. */
export async function recordNotStarted(
  store: JobStore,
  params: { readonly read: AttemptWithJob; readonly startFailures: number; readonly delayMs: number; readonly reason: string },
): Promise<boolean> {
  return changeCurrent(store, params.read, () => ({
    change: {
      state: 'pending',
      reason: `waiting: ${params.reason}`.slice(0, 500),
      startFailures: params.startFailures,
      notBeforeInMs: params.delayMs,
      clear: ['queuedAt', 'podName'],
    },
    attempt: { state: 'waiting', slotHeld: false, leaseForMs: null, clusterUid: null, removeReason: null },
    history: params.reason,
    historyType: 'requeued',
    outbox: [{ type: EVENT_TYPES.requeued, source: eventSource('collector') }],
  }));
}

interface CurrentChange {
  readonly change: JobChange;
  readonly attempt: AttemptChange;
  readonly history: string;
  readonly historyType: 'requeued' | 'finished';
  readonly outbox: readonly OutboxDraft[];
}

async function changeCurrent(store: JobStore, read: AttemptWithJob, build: (job: Job) => CurrentChange): Promise<boolean> {
  let job: Job | null = read.job;
  for (let tries = 0; tries < CONFLICT_TRIES && job !== null; tries += 1) {
    if (isFinal(job.state) || job.attempt !== read.attempt.number) return false;
    const { change, attempt, history, historyType, outbox } = build(job);
    // A cancel came after the decision was made: back in line nobody would ever look at the job again. The next look decides anew.
    if (change.state === 'pending' && job.cancelRequestedAt !== null) return false;
    const changed = await store.changeJob({
      job,
      from: LIVE_STATES,
      change,
      attempt,
      history: [{ type: historyType, message: history }],
      outbox,
    });
    if (changed !== null) return true;
    const again = await store.getAttempt(read.job.id, read.attempt.number);
    if (again === null || again.attempt.state === 'ended') return false;
    job = again.job;
  }
  return false;
}

function applyEnd(
  store: JobStore,
  read: AttemptWithJob,
  end: AttemptEnd,
  final: { state: FinalState; reason: string; error: JobError | null; result: JobResult | null },
): Promise<boolean> {
  return changeCurrent(store, read, () => ({
    change: { ...final, stamp: ['completedAt'] },
    attempt: endedAttempt(end),
    history: final.reason,
    historyType: 'finished',
    outbox: [{ type: FINAL_EVENT[final.state], source: eventSource('collector') }],
  }));
}

function endedAttempt(end: AttemptEnd): AttemptChange {
  return {
    state: 'ended',
    outcome: end.outcome,
    exitCode: end.exitCode,
    reason: end.reason.slice(0, 500),
    leaseForMs: null,
    slotHeld: end.alive,
    stamp: ['endedAt'],
  };
}

async function copyFiles(artifacts: ArtifactStore, read: AttemptWithJob, files: readonly ManifestFile[]): Promise<ResultFile[]> {
  const copied: ResultFile[] = [];
  for (const file of files) {
    const key = keys.result(read.job.id, read.attempt.number, file.name);
    const outcome = await artifacts.copyObject(file.key, key);
    if (outcome.kind === 'exists' && !outcome.same) {
      const there = await artifacts.statObject(key);
      // A promoted partial and a later manifest can't both be: the first terminal write wins, and only one of them copies this name.
      if (there?.sha256 !== file.sha256) throw new Error(`${key} exists with other bytes: refusing to record a result that is not its own`);
    }
    copied.push({ name: file.name, key, sha256: file.sha256, bytes: file.bytes, contentType: file.contentType });
  }
  return copied;
}

function summarize(report: Manifest | BestRecord): Omit<JobResult, 'attempt' | 'partial' | 'leaderboard' | 'files'> {
  return {
    quality: report.quality,
    cv: report.cv,
    metric: report.metric,
    direction: report.direction,
    metricIsProxy: report.metricIsProxy,
    trust: report.trust,
    expected: report.expected,
    valid: true,
    solutions: report.solutions,
    bestSolution: report.bestSolution,
    firstValidSeconds: report.firstValidSeconds,
    seconds: report.seconds,
    resources: report.resources,
    notes: report.notes,
  };
}

function describeSuccess(manifest: Manifest): string {
  const score = manifest.cv === null ? '' : `, ${manifest.metric} ${manifest.cv.score.toPrecision(5)}`;
  const fallback = manifest.quality === 'fallback' ? ' (fallback: constant predictions, no model worked)' : '';
  return `done: ${manifest.solutions} solutions${score}${fallback}`;
}
