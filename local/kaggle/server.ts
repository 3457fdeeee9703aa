import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import express from 'express';
import type { Clock } from '#core/ports.ts';
import { Accounts, DEMO_USER, type StandInUser } from './accounts.ts';
import { loadCompetitions } from './competitions.ts';
import { FaultPlan, type Fault } from './faults.ts';
import { RequestLog, type LoggedRequest } from './request-log.ts';
import { createRpcRouter } from './rpc.ts';
import { StandInState } from './state.ts';
import { Storage } from './storage.ts';

export { DEMO_USER, type StandInUser } from './accounts.ts';
export type { Fault } from './faults.ts';

/** What the stand-in serves, and where it keeps what must survive a restart. */
export interface StandInOptions {
  /** `<examplesDir>/<slug>/competition.json`, `pages/`, `data/`. */
  examplesDir: string;
  /** `<answersDir>/<slug>/answers.csv`; never served. */
  answersDir: string;
  stateDir: string;
  clock?: Pick<Clock, 'now'>;
  users?: readonly StandInUser[];
  scoringDelayMs?: number;
  urlLifetimeMs?: number;
  uploadLifetimeMs?: number;
  zipFilesFromBytes?: number;
}

/** What only the process that runs the stand-in can do: accept rules for a user, break things, read the log. No request reaches it. */
export interface StandInControl {
  acceptRules(username: string, slug: string): void;
  addFault(fault: Fault): void;
  clearFaults(): void;
  requests(): readonly LoggedRequest[];
}

/** Where the stand-in listens (default: loopback), and the name by which clients reach it when that is another. */
export interface StandInPlace {
  readonly host?: string;
  readonly publicHost?: string;
  /** Port of signed URLs; default: a free one. */
  readonly storagePort?: number;
}

/** A running or ready stand-in for Kaggle. */
export interface KaggleStandIn {
  /** Listens (0 = a free port). `apiBaseUrl` is what a client takes as its base; signed URLs point to a second port. */
  listen(port?: number, place?: StandInPlace): Promise<{ apiBaseUrl: string; port: number; storageOrigin: string }>;
  close(): Promise<void>;
  slugs: readonly string[];
  control: StandInControl;
}

const HOST = '127.0.0.1';

/** Kaggle's RPC interface over local competitions: same methods, errors, uploads, quota and scoring; hidden answers stay hidden. */
export function createKaggleStandIn(options: StandInOptions): KaggleStandIn {
  const now = (): Date => options.clock?.now() ?? new Date();
  const competitions = loadCompetitions(options.examplesDir, options.answersDir);
  const state = new StandInState(options.stateDir);
  const accounts = new Accounts(options.users ?? [DEMO_USER], state);
  const faults = new FaultPlan();
  const log = new RequestLog(now);
  const storage = new Storage({ state, faults, now, urlLifetimeMs: options.urlLifetimeMs ?? 15 * 60_000 });
  const context = {
    competitions,
    accounts,
    state,
    storage,
    now,
    scoringDelayMs: options.scoringDelayMs ?? 300,
    uploadLifetimeMs: options.uploadLifetimeMs ?? 60 * 60_000,
    zipFilesFromBytes: options.zipFilesFromBytes ?? 10 * 1024 * 1024,
  };
  const api = express().disable('x-powered-by').disable('etag');
  api.use(['/api/v1', '/v1'], createRpcRouter(context, faults));
  const storageServer = createServer(log.around('storage', storage.app));
  const apiServer = createServer(routeByTarget(log.around('api', api), log.around('storage', storage.app), () => storage.origin));
  return {
    listen: (port = 0, place = {}) => listenBoth(apiServer, storageServer, storage, { port, ...place }),
    close: async () => void (await Promise.all([closeServer(apiServer), closeServer(storageServer)])),
    slugs: [...competitions.keys()],
    control: {
      acceptRules: (username, slug) => state.enter(username, slug),
      addFault: (fault) => faults.add(fault),
      clearFaults: () => faults.clear(),
      requests: () => log.entries(),
    },
  };
}

async function listenBoth(apiServer: Server, storageServer: Server, storage: Storage, place: StandInPlace & { port: number }) {
  const { host = HOST, publicHost = HOST, port } = place;
  const storagePort = await listenOn(storageServer, place.storagePort ?? 0, host);
  storage.origin = `http://${publicHost}:${storagePort}`;
  const apiPort = await listenOn(apiServer, port, host).catch(async (error: unknown) => {
    await closeServer(storageServer);
    throw error;
  });
  return { apiBaseUrl: `http://${publicHost}:${apiPort}/api/v1`, port: apiPort, storageOrigin: storage.origin };
}

function listenOn(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      if (address !== null && typeof address === 'object') resolve(address.port);
      else reject(new Error('The stand-in has no port.'));
    });
  });
}

async function closeServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

/**
 * The official client reaches a port of our choice only as an HTTP proxy, and then names its target in full. Such targets are answered
 * here, by name: localhost is Kaggle, the storage origin is storage, and nothing is ever forwarded.
 */
function routeByTarget(api: RequestListener, storage: RequestListener, storageOrigin: () => string): RequestListener {
  return (request, response) => {
    const target = absoluteTarget(request);
    if (target === null) return api(request, response);
    request.url = target.pathname + target.search;
    if (target.origin === storageOrigin()) return storage(request, response);
    if (['localhost', HOST].includes(target.hostname)) return api(request, response);
    response.writeHead(403, { 'content-type': 'text/plain' }).end('This is not a proxy.');
  };
}

function absoluteTarget(request: IncomingMessage): URL | null {
  return /^http:\/\//i.test(request.url ?? '') ? URL.parse(request.url ?? '') : null;
}
