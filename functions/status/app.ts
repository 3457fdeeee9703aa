import type { Express } from 'express';
import type { ArtifactStore, JobRunner, JobStore, Logger } from '#core/ports.ts';
import type { HttpOptions, RequestContext, Route } from '../http/app.ts';
import type { HistoryFeed } from './feed.ts';
import { isFinal } from '#core/job.ts';
import { JobsQuery, StatusQuery } from '../http/queries.ts';
import { buildJobView } from '../http/job-view.ts';
import { callerError } from '#core/errors.ts';
import { createDocsRoutes } from './docs.ts';
import { createDashboardRoutes } from './dashboard.ts';
import { createHistoryFeed } from './feed.ts';
import { createHttpApp, sendJson } from '../http/app.ts';
import { findJob } from '../http/job-access.ts';
import { readQuery } from '../http/query.ts';
import { showHealth, showNodes } from './health.ts';
import { showSolution, showSolutions } from './solutions.ts';
import { streamEvents } from './stream.ts';
import { waitForChange } from './wait.ts';

export interface StatusAppDependencies {
  readonly http: HttpOptions;
  readonly store: JobStore;
  /** For the texts of solutions only. */
  readonly artifacts: ArtifactStore;
  /** Only where this function may look at the cluster. */
  readonly runner: Pick<JobRunner, 'describeNodes'> | null;
  readonly logger: Logger;
  /** Streams end themselves after this; below the platform's own timeout. */
  readonly maxStreamMs: number;
  /** How often all live streams together ask the ledger. */
  readonly feedIntervalMs: number;
}

export interface StatusDependencies extends StatusAppDependencies {
  readonly feed: HistoryFeed;
}

/** Everything that only reads the ledger: status, lists, live events, solutions, health, docs and the dashboard. Never writes. */
export function createStatusApp(deps: StatusAppDependencies): Express {
  return createHttpApp(deps.http, createStatusRoutes(deps));
}

/** The table of status's routes, to be joined with others in one app. */
export function createStatusRoutes(options: StatusAppDependencies): Route[] {
  const feed = createHistoryFeed({ store: options.store, logger: options.logger, intervalMs: options.feedIntervalMs });
  const deps: StatusDependencies = { ...options, feed };
  const get = (path: string, access: Route['access'], handle: Route['handle']): Route => ({ method: 'get', path, access, handle });
  return [
    get('/status/:id', 'tenant', (context, param) => showStatus(deps, context, param('id'))),
    get('/jobs', 'tenant', (context) => listJobs(deps, context)),
    get('/jobs/:id/events', 'tenant', (context, param) => streamEvents(deps, context, param('id'))),
    get('/jobs/:id/solutions', 'tenant', (context, param) => showSolutions(deps, context, param('id'))),
    get('/jobs/:id/solutions/:number', 'tenant', (context, param) => showSolution(deps, context, param('id'), param('number'))),
    get('/health', 'open', (context) => showHealth(deps, context)),
    get('/cluster/nodes', 'tenant', (context) => showNodes(deps, context)),
    ...createDocsRoutes(),
    ...createDashboardRoutes(),
  ];
}

async function showStatus(deps: StatusDependencies, context: RequestContext, idText: string): Promise<void> {
  const { req, res } = context;
  const waitS = req.url.includes('?') ? (readQuery(StatusQuery, req).wait ?? 0) : 0;
  const known = readKnownVersions(req.headers['if-none-match']);
  let job = await findJob(deps.store, context.tenant, idText);
  if (waitS > 0) {
    const isNews = (found: typeof job) => (known === null ? isFinal(found.state) : !known.has(`"${found.version}"`));
    job = await waitForChange(deps, { job, waitMs: waitS * 1000, isNews, res });
  }
  const etag = `"${job.version}"`;
  res.setHeader('etag', etag);
  res.setHeader('cache-control', 'no-cache');
  if (known !== null && (known.has(etag) || known.has('*'))) return void res.writeHead(304).end();
  sendJson(res, 200, buildJobView(job));
}

function readKnownVersions(header: string | undefined): Set<string> | null {
  if (header === undefined) return null;
  return new Set(header.split(',', 50).map((tag) => tag.trim().replace(/^W\//, '')));
}

async function listJobs(deps: StatusDependencies, { req, res, tenant }: RequestContext): Promise<void> {
  const query = readQuery(JobsQuery, req);
  if ((query.request_source === undefined) !== (query.request_id === undefined)) {
    throw callerError('invalid-query', 422, 'Give request_source and request_id together.');
  }
  for (const text of [query.cursor, query.request_source, query.request_id]) {
    if (text !== undefined && (text.includes('\u0000') || !text.isWellFormed()))
      throw callerError('invalid-query', 422, 'The query holds a NUL character or broken Unicode.');
  }
  const request =
    query.request_source === undefined || query.request_id === undefined ? null : { source: query.request_source, id: query.request_id };
  const page = await deps.store.listJobs({
    tenant,
    states: query.status_filter ?? null,
    request,
    limit: query.limit,
    cursor: query.cursor ?? null,
  });
  if (page.nextCursor !== null) {
    const next = new URLSearchParams({ limit: String(query.limit), cursor: page.nextCursor });
    if (query.status_filter !== undefined) next.set('status_filter', query.status_filter.join(','));
    res.setHeader('link', `</jobs?${next.toString()}>; rel="next"`);
  }
  sendJson(res, 200, { total: page.total, jobs: page.jobs.map(buildJobView), next_cursor: page.nextCursor });
}
