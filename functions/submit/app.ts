import type { Express } from 'express';
import type { ArtifactStore } from '#core/ports.ts';
import type { Job } from '#core/job.ts';
import type { RelayDependencies } from '#core/use-cases/relay.ts';
import type { SubmitDependencies } from '#core/use-cases/submit.ts';
import type { Announcer } from './announcer.ts';
import type { PlainEvent } from '#core/events.ts';
import type { HttpOptions, RequestContext, Route } from '../http/app.ts';
import type { CancelAccepted, InstructAccepted, RunAccepted } from '#core/responses.ts';
import { createAnnouncer } from './announcer.ts';
import { applySubmitEvents } from './events.ts';
import { buildLinks } from '../http/job-view.ts';
import { callerError } from '#core/errors.ts';
import { cancelJob } from '#core/use-cases/cancel.ts';
import { createHttpApp, sendJson } from '../http/app.ts';
import { handleEvents } from '../http/event-door.ts';
import { assertStorable, hasBody, readJsonBody } from '../http/body.ts';
import { isTenantName } from '../http/auth.ts';
import { checkBody } from '#core/check-body.ts';
import { instructJob } from '#core/use-cases/instruct.ts';
import { InstructRequest, readInstruction } from '#core/requests.ts';
import { parseJobId } from '../http/job-access.ts';
import { submitJob } from '#core/use-cases/submit.ts';

export interface SubmitAppDependencies extends SubmitDependencies, RelayDependencies {
  readonly http: HttpOptions;
  /** Called when somebody instructs a job: submit needs storage for nothing else, and starts without it. */
  readonly openArtifacts: () => Promise<Pick<ArtifactStore, 'createObject' | 'listObjects'>>;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** `POST /run`, `DELETE /jobs/{id}`, `POST /jobs/{id}/instructions`, `POST /events`: takes requests into the ledger and says so at once. */
export function createSubmitApp(deps: SubmitAppDependencies): Express {
  return createHttpApp(deps.http, createSubmitRoutes(deps));
}

/** The table of submit's routes, to be joined with others in one app. */
export function createSubmitRoutes(deps: SubmitAppDependencies): Route[] {
  const announcer = createAnnouncer(deps);
  return [
    { method: 'post', path: '/run', access: 'tenant', handle: (context) => run(deps, announcer, context) },
    { method: 'delete', path: '/jobs/:id', access: 'tenant', handle: (context, param) => cancel(deps, announcer, context, param('id')) },
    { method: 'post', path: '/jobs/:id/instructions', access: 'tenant', handle: (context, param) => instruct(deps, context, param('id')) },
    {
      method: 'post',
      path: '/events',
      access: 'events',
      handle: (context) =>
        handleEvents(context, async (events) => {
          const announced: Promise<void>[] = [];
          const tenantOf = (event: PlainEvent) => {
            const named = event.extensions['tenant'];
            return context.fromCluster && isTenantName(named) ? named : context.tenant;
          };
          const announce = (event: PlainEvent) => void announced.push(announcer.announce(event));
          try {
            await applySubmitEvents(deps, events, { tenantOf, announce });
          } finally {
            await Promise.all([...announced, announcer.relayDue()]);
          }
        }),
    },
  ];
}

async function run(deps: SubmitAppDependencies, announcer: Announcer, { req, res, tenant }: RequestContext): Promise<void> {
  const idempotencyKey = readIdempotencyKey(req.headers['idempotency-key']);
  const body = await readRunBody(req);
  const { traceparent } = req.headers;
  const outcome = await submitJob(deps, {
    tenant,
    body,
    idempotencyKey,
    request: null,
    traceparent: typeof traceparent === 'string' ? traceparent : null,
  });
  // Not awaited by the client; a graceful stop waits for it, and a tick repairs what a crash loses.
  if (outcome.kind === 'created') deps.http.lifecycle.track(announcer.announce(outcome.event));
  res.setHeader('location', `/status/${outcome.job.id}`);
  if (outcome.kind === 'replayed') res.setHeader('idempotency-replayed', 'true');
  sendJson(res, 201, buildAccepted(outcome.job));
}

/** The body, or the query form `?url=`: one of them. */
async function readRunBody(req: RequestContext['req']): Promise<unknown> {
  const { url } = req.query;
  if (url === undefined) return hasBody(req) ? await readJsonBody(req) : {};
  if (hasBody(req)) throw callerError('invalid-body', 422, 'Give the competition either as ?url= or in a JSON body, not both.');
  if (typeof url !== 'string') throw callerError('invalid-query', 422, 'Give ?url= once.');
  assertStorable(url, '/url');
  return { kaggle_url: url };
}

function readIdempotencyKey(value: string | string[] | undefined): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && IDEMPOTENCY_KEY.test(value)) return value;
  throw callerError('invalid-body', 400, 'Idempotency-Key must be 1 to 255 printable ASCII characters.');
}

/** A replay gives the first answer again, so this is always the answer of a job that has just been accepted. */
function buildAccepted(job: Job): RunAccepted {
  return {
    job_id: job.id,
    k8s_job_name: job.jobName,
    status: 'pending',
    created_at: job.createdAt.toISOString(),
    message: 'Job accepted. Follow it at links.status or links.events.',
    links: buildLinks(job.id),
  };
}

async function cancel(deps: SubmitAppDependencies, announcer: Announcer, { res, tenant }: RequestContext, idText: string): Promise<void> {
  const { job, ended } = await cancelJob(deps, { tenant, jobId: parseJobId(idText) });
  deps.http.lifecycle.track(announcer.relayDue());
  const message = ended ? 'Job cancelled' : 'Job is being cancelled: it ends when its attempt has stopped';
  sendJson(res, 200, { message, job_id: job.id, status: job.state, ended } satisfies CancelAccepted);
}

async function instruct(deps: SubmitAppDependencies, { req, res, tenant }: RequestContext, idText: string): Promise<void> {
  const jobId = parseJobId(idText);
  const instruction = readInstruction(checkBody(InstructRequest, await readJsonBody(req)));
  const { store, clock } = deps;
  const { job, seq } = await instructJob({ store, clock, artifacts: await deps.openArtifacts() }, { tenant, jobId, instruction });
  const message = job.state === 'running' ? 'The agent hears it within seconds' : 'The agent hears it when the job runs';
  sendJson(res, 202, { message, job_id: job.id, status: job.state, seq } satisfies InstructAccepted);
}
