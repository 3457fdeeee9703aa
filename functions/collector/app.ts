import type { Express } from 'express';
import type { z } from 'zod';
import type { CollectDependencies } from '#core/use-cases/collect.ts';
import type { HttpOptions, Route } from '../http/app.ts';
import type { PlainEvent } from '#core/events.ts';
import type { RelayDependencies } from '#core/use-cases/relay.ts';
import { AgentHint, EVENT_TYPES, ObjectReference } from '#core/events.ts';
import { callerError } from '#core/errors.ts';
import { collectAttempt, collectByName } from '#core/use-cases/collect.ts';
import { createCoalescer, createKeyedCoalescer } from '../http/coalesce.ts';
import { createHttpApp } from '../http/app.ts';
import { handleEvents } from '../http/event-door.ts';
import { relayOutbox } from '#core/use-cases/relay.ts';

export interface CollectorAppDependencies extends CollectDependencies, RelayDependencies {
  readonly http: HttpOptions;
  /** True when the hint was signed by the attempt that it names. */
  readonly verifyHint: (hint: {
    readonly jobId: string;
    readonly attempt: number;
    readonly eventId: string;
    readonly signature: string;
  }) => boolean;
}

const AGENT_TYPES: readonly string[] = [EVENT_TYPES.started, EVENT_TYPES.progressed, EVENT_TYPES.exited];
const CLUSTER_TYPES: readonly string[] = [EVENT_TYPES.clusterAdded, EVENT_TYPES.clusterUpdated, EVENT_TYPES.clusterDeleted];

/** Hints say where to look; what is recorded comes from storage and the cluster, so a forged or lost hint changes nothing. */
export function createCollectorApp(deps: CollectorAppDependencies): Express {
  return createHttpApp(deps.http, createCollectorRoutes(deps));
}

/** The table of the collector's routes. */
export function createCollectorRoutes(deps: CollectorAppDependencies): Route[] {
  const byAttempt = createKeyedCoalescer((target: { jobId: string; number: number }) => collectAttempt(deps, target));
  const byName = createKeyedCoalescer((name: string) => collectByName(deps, name));
  const relay = createCoalescer(() => relayOutbox(deps, { jobId: null, limit: 500, timeBoxMs: 5_000 }));
  const collect = async (event: PlainEvent): Promise<void> => {
    if (AGENT_TYPES.includes(event.type)) {
      const hint = readHint(event);
      if (hint === null) return; // malformed hints are refused below
      if (!isSigned(deps, event, hint)) {
        await deps.store.addCounters({ unsigned_hints: 1 });
        deps.logger.warn({ event_id: event.id.slice(0, 100), job_id: hint.job_id }, 'hint without a valid signature ignored');
        return;
      }
      await byAttempt(`${hint.job_id}/${hint.attempt}`, { jobId: hint.job_id, number: hint.attempt });
      return;
    }
    const { kind, name } = readReference(event);
    if (kind === 'Job') await byName(name, name);
  };
  return [
    {
      method: 'post',
      path: '/',
      access: 'cluster',
      handle: (context) =>
        handleEvents(context, async (events) => {
          for (const event of events) check(event);
          for (const event of events) await collect(event);
          await relay.wake();
        }),
    },
  ];
}

function check(event: PlainEvent): void {
  if (AGENT_TYPES.includes(event.type)) {
    if (readHint(event) === null) throw callerError('invalid-event', 422, 'The event data must be {"job_id", "attempt", "seq"}.');
  } else if (CLUSTER_TYPES.includes(event.type)) readReference(event);
  else throw callerError('invalid-event', 422, 'Events of this type are not taken here.');
}

function readHint(event: PlainEvent): AgentHint | null {
  return AgentHint.safeParse(event.data).data ?? null;
}

function isSigned(deps: CollectorAppDependencies, event: PlainEvent, hint: AgentHint): boolean {
  const { signature } = event.extensions;
  if (typeof signature !== 'string') return false;
  if (event.id !== `${hint.job_id}.${hint.attempt}.${hint.seq}`) return false;
  return deps.verifyHint({ jobId: hint.job_id, attempt: hint.attempt, eventId: event.id, signature });
}

function readReference(event: PlainEvent): z.infer<typeof ObjectReference> {
  const parsed = ObjectReference.safeParse(event.data);
  if (parsed.success) return parsed.data;
  throw callerError('invalid-event', 422, 'The event data must be a reference: {"apiVersion", "kind", "name", "namespace"}.');
}
