import type { Express } from 'express';
import type { ArtifactStore, JobStore } from '#core/ports.ts';
import type { HttpOptions, RequestContext, Route } from '../http/app.ts';
import type { Job, ResultFile } from '#core/job.ts';
import type { ResultView } from '#core/responses.ts';
import { FileName } from '#core/report.ts';
import { SubmissionQuery } from '../http/queries.ts';
import { readQuery } from '../http/query.ts';
import { buildLinks } from '../http/job-view.ts';
import { callerError } from '#core/errors.ts';
import { createHttpApp, sendJson } from '../http/app.ts';
import { findBest } from './best.ts';
import { findJob, printable } from '../http/job-access.ts';
import { isFinal } from '#core/job.ts';
import { sendFile } from './send-file.ts';
import { showLogs } from './logs.ts';

export interface ResultAppDependencies {
  readonly http: HttpOptions;
  readonly store: Pick<JobStore, 'getJob'>;
  readonly artifacts: ArtifactStore;
  /** Followed logs end themselves after this; below the platform's own timeout. */
  readonly maxStreamMs: number;
  /** How often a followed log looks for new chunks. */
  readonly followIntervalMs: number;
}

const MAX_EVIDENCE_BYTES = 1024 * 1024;

/** What a job produced: scores, files, logs. Reads the ledger and storage; never writes. */
export function createResultApp(deps: ResultAppDependencies): Express {
  return createHttpApp(deps.http, createResultRoutes(deps));
}

/** The table of result's routes, to be joined with others in one app. */
export function createResultRoutes(deps: ResultAppDependencies): Route[] {
  const get = (path: string, handle: Route['handle']): Route => ({ method: 'get', path, access: 'tenant', handle });
  return [
    get('/result/:id', (context, param) => showResult(deps, context, param('id'))),
    get('/result/:id/submission.csv', (context, param) => sendSubmission(deps, context, param('id'))),
    get('/result/:id/:file', (context, param) => sendNamedFile(deps, context, param('id'), param('file'))),
    get('/logs/:id', (context, param) => showLogs(deps, context, param('id'))),
  ];
}

async function showResult(deps: ResultAppDependencies, { res, tenant }: RequestContext, idText: string): Promise<void> {
  const job = await findJob(deps.store, tenant, idText);
  if (!isFinal(job.state)) throw unfinished(job);
  const body: ResultView = {
    job_id: job.id,
    competition_name: job.slug,
    status: job.state,
    reason: job.reason,
    error: job.error,
    result: buildResult(job),
    evidence: await readEvidence(deps, job),
    links: buildLinks(job.id),
  };
  sendJson(res, 200, body);
}

function unfinished(job: Job) {
  return callerError('job-unfinished', 400, `Job is not complete. Current status: ${job.state}`);
}

function buildResult(job: Job): ResultView['result'] {
  const { result } = job;
  if (result === null) return null;
  return {
    attempt: result.attempt,
    partial: result.partial,
    quality: result.quality,
    valid: result.valid,
    metric: result.metric,
    direction: result.direction,
    metric_is_proxy: result.metricIsProxy,
    trust: result.trust,
    cv: result.cv,
    expected: result.expected,
    leaderboard: result.leaderboard,
    solutions: result.solutions,
    best_solution: result.bestSolution,
    first_valid_seconds: result.firstValidSeconds,
    seconds: result.seconds,
    notes: result.notes,
    files: result.files.map(({ name, sha256, bytes, contentType }) => ({
      name,
      sha256,
      bytes,
      content_type: contentType,
      url: `/result/${job.id}/${name}`,
    })),
  };
}

/** Content of evidence.json, or null when there is none that can be read: the scores above do not depend on it. */
async function readEvidence(deps: ResultAppDependencies, job: Job): Promise<unknown> {
  const file = job.result?.files.find(({ name }) => name === 'evidence.json');
  if (file === undefined || file.bytes > MAX_EVIDENCE_BYTES) return null;
  const bytes = await deps.artifacts.readObject(file.key, MAX_EVIDENCE_BYTES);
  if (bytes === null) return null;
  try {
    const evidence: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return evidence;
  } catch {
    return null;
  }
}

async function sendSubmission(deps: ResultAppDependencies, context: RequestContext, idText: string): Promise<void> {
  const job = await findJob(deps.store, context.tenant, idText);
  const wantsBest = readQuery(SubmissionQuery, context.req).best === true;
  const recorded = job.result?.files.find(({ name }) => name === 'submission.csv');
  if (job.state !== 'success' && !wantsBest) throw unfinished(job);
  if (recorded !== undefined && job.result !== null) {
    const { cv, partial, quality, attempt } = job.result;
    return sendFile(deps, context, { file: recorded, labels: { quality, partial, attempt, score: cv?.score ?? null } });
  }
  const best = wantsBest ? await findBest(deps.artifacts, job) : null;
  if (best !== null) return sendFile(deps, context, best);
  if (wantsBest) throw callerError('no-valid-file', 404, 'There is no valid file yet. Ask again after the next "improved" event.');
  const program = job.result?.files.find(({ name }) => name === 'submission.py');
  if (program !== undefined)
    throw callerError('file-not-found', 404, `The submission of this competition is a program: get /result/${job.id}/submission.py`);
  throw callerError('file-not-found', 404, 'Submission file not found');
}

async function sendNamedFile(deps: ResultAppDependencies, context: RequestContext, idText: string, name: string): Promise<void> {
  const job = await findJob(deps.store, context.tenant, idText);
  if (!isFinal(job.state)) throw unfinished(job);
  const found: ResultFile | undefined = FileName.safeParse(name).success ? job.result?.files.find((file) => file.name === name) : undefined;
  if (found !== undefined) return sendFile(deps, context, { file: found, labels: null });
  const names = job.result?.files.map((file) => file.name).join(', ') ?? '';
  const hint = names === '' ? 'This job has no files.' : `This job has: ${names}.`;
  throw callerError('file-not-found', 404, `There is no file "${printable(name).slice(0, 100)}". ${hint}`);
}
