import { createHash } from 'node:crypto';
import type { Express } from 'express';
import type { DeadLetter, EventSink, JobStore } from '#core/ports.ts';
import type { DeadLetterView } from '#core/responses.ts';
import type { HttpOptions, RequestContext, Route } from '../http/app.ts';
import type { PlainEvent } from '#core/events.ts';
import { callerError } from '#core/errors.ts';
import { createHttpApp, sendJson } from '../http/app.ts';
import { handleEvents } from '../http/event-door.ts';
import { printable } from '../http/job-access.ts';
import { DeadLettersQuery } from '../http/queries.ts';
import { readQuery } from '../http/query.ts';

export interface DeadLetterAppDependencies {
  readonly http: HttpOptions;
  readonly store: Pick<JobStore, 'insertDeadLetter' | 'listDeadLetters' | 'getDeadLetter' | 'markRedriven'>;
  /** The intake broker, where a letter is sent again. */
  readonly sink: EventSink;
}

const SEND_TIMEOUT_MS = 10_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Keeps what no handler would take, so that a person can look at it and send it again. */
export function createDeadLetterApp(deps: DeadLetterAppDependencies): Express {
  return createHttpApp(deps.http, [...createDeadLetterEventRoutes(deps), ...createDeadLetterRoutes(deps)]);
}

/** The broker's door. */
export function createDeadLetterEventRoutes(deps: DeadLetterAppDependencies): Route[] {
  return [
    {
      method: 'post',
      path: '/',
      access: 'cluster',
      handle: (context) =>
        handleEvents(context, async (events) => {
          for (const event of events) await deps.store.insertDeadLetter(buildLetter(event));
        }),
    },
  ];
}

/** The operator's doors. */
export function createDeadLetterRoutes(deps: DeadLetterAppDependencies): Route[] {
  return [
    { method: 'get', path: '/dead-letters', access: 'operator', handle: (context) => list(deps, context) },
    {
      method: 'post',
      path: '/dead-letters/:id/redrive',
      access: 'operator',
      handle: (context, param) => redrive(deps, context, param('id')),
    },
  ];
}

/** The id is derived from the event and its destination: a letter that is delivered twice is kept once. */
function buildLetter(event: PlainEvent): Omit<DeadLetter, 'receivedAt' | 'redrivenAt'> {
  const text = (name: string) => (event.extensions[name] === undefined ? null : String(event.extensions[name]).slice(0, 2000));
  const errorDestination = text('knativeerrordest');
  const digest = createHash('sha256')
    .update(JSON.stringify([event.source, event.id, event.type, errorDestination]))
    .digest('hex');
  const id = [digest.slice(0, 8), digest.slice(8, 12), `8${digest.slice(13, 16)}`, `a${digest.slice(17, 20)}`, digest.slice(20, 32)].join(
    '-',
  );
  return { id, event, errorDestination, errorCode: text('knativeerrorcode'), errorData: text('knativeerrordata') };
}

async function list(deps: DeadLetterAppDependencies, { req, res }: RequestContext): Promise<void> {
  const letters = await deps.store.listDeadLetters({ limit: readQuery(DeadLettersQuery, req).limit });
  sendJson(res, 200, { dead_letters: letters.map(buildLetterView) });
}

function buildLetterView(letter: DeadLetter): DeadLetterView {
  return {
    id: letter.id,
    received_at: letter.receivedAt.toISOString(),
    event: { ...letter.event },
    error_destination: letter.errorDestination,
    error_code: letter.errorCode,
    error_data: letter.errorData,
    redriven_at: letter.redrivenAt?.toISOString() ?? null,
  };
}

/** Sent without the broker's notes of the failure; handlers are idempotent, so a second redrive does no harm. */
async function redrive(deps: DeadLetterAppDependencies, { res }: RequestContext, id: string): Promise<void> {
  const letter = UUID.test(id) ? await deps.store.getDeadLetter(id) : null;
  if (letter === null) throw callerError('not-found', 404, `There is no dead letter ${printable(id).slice(0, 80)}.`);
  const extensions = Object.fromEntries(Object.entries(letter.event.extensions).filter(([name]) => !name.startsWith('knative')));
  await deps.sink.send({ ...letter.event, extensions }, { timeoutMs: SEND_TIMEOUT_MS });
  await deps.store.markRedriven(letter.id);
  sendJson(res, 200, { message: 'The event was sent again.', id: letter.id });
}
