import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { v7 as uuidv7 } from 'uuid';
import type { ArtifactStore, EventSink, JobStore, Logger } from '#core/ports.ts';
import type { Authenticator } from '#functions/http/auth.ts';
import type { GuardOptions } from '#functions/http/guard.ts';
import type { HttpOptions } from '#functions/http/app.ts';
import type { Lifecycle } from '#functions/http/lifecycle.ts';
import type { PlainEvent } from '#core/events.ts';
import type { Serving } from '#functions/http/serve.ts';
import { DEFAULT_LIMITS } from '#core/requests.ts';
import { createDeadLetterEventRoutes, createDeadLetterRoutes } from '#functions/dead-letter/app.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { createHttpApp } from '#functions/http/app.ts';
import { createLifecycle } from '#functions/http/lifecycle.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createResultRoutes } from '#functions/result/app.ts';
import { createStatusRoutes } from '#functions/status/app.ts';
import { createSubmitRoutes } from '#functions/submit/app.ts';
import { createTestDatabase } from './postgres.ts';
import { serve } from '#functions/http/serve.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';

export const SILENT: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** How often live streams ask the ledger in tests. */
export const FEED_INTERVAL_MS = 20;

export interface TestFunctions {
  readonly url: string;
  readonly store: JobStore;
  readonly artifacts: ArtifactStore;
  /** Events that the outbox has sent. */
  readonly sent: PlainEvent[];
  readonly lifecycle: Lifecycle;
  readonly serving: Serving;
  readonly http: HttpOptions;
  /** Address of the dead letters' own door. */
  readonly deadLetterUrl: string;
}

export interface TestFunctionsOptions {
  readonly authenticator?: Authenticator;
  readonly guard?: GuardOptions;
  readonly maxStreamMs?: number;
  /** Replaces the sink's sending. */
  readonly send?: EventSink['send'];
  readonly wrapStore?: (store: JobStore) => JobStore;
}

/** The public functions on one port over a real database and a real directory, until the test ends. */
export async function startFunctions(t: ExecutionContext, options: TestFunctionsOptions = {}): Promise<TestFunctions> {
  const database = await createTestDatabase(t);
  const plain = createPostgresJobStore({ url: database.url, maxConnections: 10 });
  const store = options.wrapStore?.(plain) ?? plain;
  const root = await mkdtemp(join(tmpdir(), 'kaggle-agent-functions-'));
  const artifacts = createDirectoryStore({ root, durable: false });
  const sent: PlainEvent[] = [];
  const sink: EventSink = {
    send: async (event, sendOptions) => {
      await options.send?.(event, sendOptions);
      sent.push(event);
    },
  };
  const lifecycle = createLifecycle((error) => t.log(error));
  const http: HttpOptions = {
    logger: SILENT,
    authenticator: options.authenticator ?? null,
    guard: options.guard ?? { allowedHosts: [], allowedOrigins: [] },
    lifecycle,
  };
  const deps = {
    http,
    store,
    artifacts,
    sink,
    runner: null,
    logger: SILENT,
    clock: systemClock,
    random: Math.random,
    newId: uuidv7,
    hash: sha256Hex,
    limits: DEFAULT_LIMITS,
    openArtifacts: async () => artifacts,
    maxStreamMs: options.maxStreamMs ?? 60_000,
    feedIntervalMs: FEED_INTERVAL_MS,
    followIntervalMs: 20,
  };
  const app = createHttpApp(http, [
    ...createSubmitRoutes(deps),
    ...createStatusRoutes(deps),
    ...createResultRoutes(deps),
    ...createDeadLetterRoutes(deps),
  ]);
  const listen = { port: 0, host: '127.0.0.1', lifecycle, logger: SILENT, graceMs: 5_000, close: [] };
  const serving = await serve(app, listen);
  const deadLetter = await serve(createHttpApp(http, createDeadLetterEventRoutes(deps)), listen);
  t.teardown(async () => {
    await Promise.all([serving.stop(), deadLetter.stop()]);
    await plain.close();
    await rm(root, { recursive: true, force: true });
  });
  return { url: serving.url, deadLetterUrl: deadLetter.url, store, artifacts, sent, lifecycle, serving, http };
}

/** POST of JSON. */
export function postJson(url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
}

/** POST of a CloudEvent in binary form. */
export function postEvent(
  url: string,
  event: {
    readonly id: string;
    readonly type: string;
    readonly source: string;
    readonly data: unknown;
    readonly extensions?: Readonly<Record<string, string>>;
  },
): Promise<Response> {
  const extensions = Object.entries(event.extensions ?? {}).map(([name, value]) => [`ce-${name}`, value] as const);
  return postJson(url, event.data, {
    'ce-specversion': '1.0',
    'ce-id': event.id,
    'ce-type': event.type,
    'ce-source': event.source,
    ...Object.fromEntries(extensions),
  });
}
