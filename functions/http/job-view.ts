import type { Job, JobEvent, Progress, ResourcesUsed } from '#core/job.ts';
import type { HistoryLine, JobView } from '#core/responses.ts';
import type { SolutionReport } from '#core/report.ts';
import type { SolutionView } from '#core/responses.ts';
import { buildJobName } from '#core/names.ts';
import { formatCpu, formatMemory } from '#core/quantity.ts';
import { isFinal } from '#core/job.ts';

const iso = (date: Date | null) => date?.toISOString() ?? null;

/** Where else to look for a job; paths, so that they hold behind any host. */
export function buildLinks(jobId: string): Record<string, string> {
  return {
    status: `/status/${jobId}`,
    events: `/jobs/${jobId}/events`,
    solutions: `/jobs/${jobId}/solutions`,
    result: `/result/${jobId}`,
    submission: `/result/${jobId}/submission.csv`,
    logs: `/logs/${jobId}`,
    cancel: `/jobs/${jobId}`,
    page: `/?job=${jobId}`,
  };
}

/** Seconds after which asking again can show something new; null when final. Depends on the row alone, so that equal ETags mean equal bodies. */
export function computeNextCheckS(job: Pick<Job, 'state'>): number | null {
  if (isFinal(job.state)) return null;
  return job.state === 'running' ? 5 : 2;
}

/** A job as clients see it. */
export function buildJobView(job: Job): JobView {
  const { progress, result } = job;
  const cv = result === null ? (progress?.best ?? null) : result.cv;
  const words = isFinal(job.state) ? job.reason : (progress?.message ?? job.reason);
  return {
    job_id: job.id,
    k8s_job_name: buildJobName(job.slug, job.id, job.attempt),
    k8s_pod_name: job.podName,
    kaggle_url: job.kaggleUrl,
    competition_name: job.slug,
    status: job.state,
    reason: job.reason,
    created_at: job.createdAt.toISOString(),
    queued_at: iso(job.queuedAt),
    started_at: iso(job.startedAt),
    first_started_at: iso(job.firstStartedAt),
    completed_at: iso(job.completedAt),
    cancel_requested_at: iso(job.cancelRequestedAt),
    progress: words,
    progress_detail: progress === null ? null : buildProgressView(progress),
    resources_requested: { cpu: formatCpu(job.options.resources.cpuMillis), memory: formatMemory(job.options.resources.memoryMib) },
    resources_used: describeUse(result?.resources ?? null),
    job_metadata: {
      progress: words,
      priority: job.options.priority,
      ...(job.state === 'running' && { pod_phase: 'Running' }),
    },
    attempt: job.attempt,
    version: job.version,
    metric: result?.metric ?? progress?.metric ?? null,
    direction: result?.direction ?? progress?.direction ?? null,
    best_score: cv?.score ?? null,
    best_score_interval: cv === null ? null : [cv.low, cv.high],
    budget: {
      budget_usd: job.options.budgetUsd,
      time_limit_s: job.options.timeLimitS,
      remaining_s: isFinal(job.state) ? null : (progress?.remainingS ?? null),
    },
    prediction: null,
    partial: result?.partial ?? false,
    quality: result?.quality ?? null,
    error: job.error,
    request: job.requestSource === null || job.requestId === null ? null : { source: job.requestSource, id: job.requestId },
    next_check_after: computeNextCheckS(job),
    links: buildLinks(job.id),
  };
}

function describeUse(used: ResourcesUsed | null): Record<string, string> {
  if (used === null) return {};
  const llm: Record<string, string> = used.llmUsd > 0 ? { llm_usd: used.llmUsd.toFixed(4) } : {};
  return { memory: formatMemory(used.peakMemoryMib), run_seconds: String(used.runSeconds), ...llm };
}

/** Progress in the words of the interface. */
export function buildProgressView(progress: Progress): NonNullable<JobView['progress_detail']> {
  return {
    stage: progress.stage,
    message: progress.message,
    solutions_done: progress.solutionsDone,
    solutions_planned: progress.solutionsPlanned,
    best: progress.best,
    metric: progress.metric,
    direction: progress.direction,
    remaining_s: progress.remainingS,
    first_valid_seconds: progress.firstValidSeconds,
  };
}

/** One line of the history as a stream sends it. */
export function buildHistoryLine(event: JobEvent): HistoryLine {
  return {
    job_id: event.jobId,
    seq: event.seq,
    at: event.at.toISOString(),
    type: event.type,
    state: event.state,
    attempt: event.attempt,
    message: event.message,
    data: snakeMembers(event.data),
  };
}

/** One solution without its texts. */
export function buildSolutionView(report: SolutionReport): SolutionView {
  const { number, title, kind, parents, state, score, foldScores, aggregate, checks, trust, seconds, failure } = report;
  return { number, title, kind, parents, state, score, fold_scores: foldScores, aggregate, checks, trust, seconds, failure };
}

/** The same value with member names in snake_case, as everywhere in the interface. */
export function snakeMembers(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [toSnake(key), snakeValue(member)]));
}

function snakeValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeValue);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return snakeMembers(Object.fromEntries(Object.entries(value)));
}

function toSnake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
