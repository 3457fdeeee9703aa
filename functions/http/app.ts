import type { Express, NextFunction, Request, Response } from 'express';
import { randomUUID } from 'node:crypto';
import express from 'express';
import type { Authenticator, Identity } from './auth.ts';
import type { GuardOptions } from './guard.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from '#core/ports.ts';
import { OPEN_IDENTITY, authenticate, requireOperator } from './auth.ts';
import { applyOrigin, checkHost, matchesHost, readHostname } from './guard.ts';
import { callerError } from '#core/errors.ts';
import { createErrorHandler } from './problem.ts';

/** What every app of a process needs; made once in its `main.ts`. */
export interface HttpOptions {
  readonly logger: Logger;
  /** Null: authentication is off, every caller is the tenant `default`, and only loopback or configured hosts are served. */
  readonly authenticator: Authenticator | null;
  readonly guard: GuardOptions;
  readonly lifecycle: Lifecycle;
}

/** One request, after the guards. `params` are decoded, `tenant` comes from the credential. */
export interface RequestContext {
  readonly req: Request;
  readonly res: Response;
  readonly tenant: string;
  readonly requestId: string;
  /** True at the event door when the sender is in the cluster: then an event's own `tenant` extension counts. */
  readonly fromCluster: boolean;
}

/**
 * One line of an app's table. `access`: `open` = anybody; `tenant` = the key's tenant; `operator` = a key that says so; `events` = a key, or
 * a sender inside the cluster; `cluster` = inside the cluster or this machine only, told apart by the Host.
 */
export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly access: 'open' | 'tenant' | 'operator' | 'events' | 'cluster';
  readonly handle: (context: RequestContext, param: (name: string) => string) => Promise<void> | void;
}

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,64}$/;
const CLUSTER_HOSTS = ['.svc.cluster.local', '.svc'];

/**
 * An express app over a table of routes: request ids, security headers, host and origin guards, API keys, 405 for a known path, and
 * problem+json for everything that fails. Tables of several functions may be joined in one app.
 */
export function createHttpApp(options: HttpOptions, routes: readonly Route[]): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.use(prepareResponse);
  addProbes(app, options.lifecycle);
  app.use((req, res, next) => {
    const loopbackOrigins = options.authenticator === null;
    if (!applyOrigin(req, res, options.guard, loopbackOrigins)) next();
  });
  for (const [path, group] of Map.groupBy(routes, (route) => route.path)) addPath(app, options, path, group);
  app.use(() => {
    throw callerError('not-found', 404, 'There is nothing at this address. GET /docs lists what there is.');
  });
  app.use(createErrorHandler(options.logger));
  return app;
}

/** Headers of every answer. Nothing is cached or sniffed; the few pages that need a wider policy set their own. */
function prepareResponse(req: Request, res: Response, next: NextFunction): void {
  const given = req.headers['x-request-id'];
  res.setHeader('x-request-id', typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID());
  res.setHeader('x-content-type-options', 'nosniff');
  res.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  res.setHeader('referrer-policy', 'no-referrer');
  res.setHeader('cross-origin-resource-policy', 'same-origin');
  res.setHeader('cache-control', 'no-store');
  next();
}

/** Liveness and readiness touch nothing outside: a database blip must not restart or unroute a pod. */
function addProbes(app: Express, lifecycle: Lifecycle): void {
  app.get('/livez', (_req, res) => sendJson(res, 200, { status: 'alive' }));
  app.get('/readyz', (_req, res) => {
    const draining = lifecycle.draining.aborted;
    sendJson(res, draining ? 503 : 200, { status: draining ? 'draining' : 'ready' });
  });
}

function addPath(app: Express, options: HttpOptions, path: string, group: readonly Route[]): void {
  const methods = new Set(group.map((route) => route.method.toUpperCase()));
  if (methods.has('GET')) methods.add('HEAD');
  const allow = [...methods].join(', ');
  for (const route of group) {
    app[route.method](path, async (req: Request, res: Response) => {
      await route.handle(admit(options, route, req, res), (name) => readParam(req, name));
    });
  }
  app.all(path, (req, res) => {
    res.setHeader('allow', allow);
    throw callerError('method-not-allowed', 405, `${req.method} is not possible here; ${allow} is.`);
  });
}

function admit(options: HttpOptions, route: Route, req: Request, res: Response): RequestContext {
  const { authenticator, guard } = options;
  if (authenticator === null || route.access === 'cluster') checkHost(req, guard);
  const hostname = readHostname(req.headers.host);
  const fromCluster = route.access === 'events' && hostname !== null && matchesHost(hostname, CLUSTER_HOSTS);
  const isFree = route.access === 'open' || route.access === 'cluster' || fromCluster;
  const identity: Identity = isFree ? OPEN_IDENTITY : authenticate(authenticator, req.headers);
  if (route.access === 'operator') requireOperator(identity);
  return { req, res, tenant: identity.tenant, requestId: String(res.getHeader('x-request-id')), fromCluster };
}

function readParam(req: Request, name: string): string {
  const value = req.params[name];
  return typeof value === 'string' ? value : '';
}

/** Sends JSON with its exact length. */
export function sendJson(res: Response, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) });
  res.end(text);
}
