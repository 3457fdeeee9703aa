import type { Request, Response } from 'express';
import { callerError } from '#core/errors.ts';

/** Which hosts and web pages may talk to us. An entry that starts with a dot matches every name below it. */
export interface GuardOptions {
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}

/** True for this machine's own names and addresses. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The name in a Host header, in lower case without its port; null when it is not a host at all. */
export function readHostname(host: string | undefined): string | null {
  if (host === undefined || !/^[A-Za-z0-9.\-_[\]:]{1,255}$/.test(host)) return null;
  try {
    return new URL(`http://${host}`).hostname;
  } catch {
    return null;
  }
}

/** True when a request for this host is meant for us: loopback, or configured. Stops DNS rebinding while there are no API keys. */
export function isAllowedHost(host: string | undefined, options: GuardOptions): boolean {
  const hostname = readHostname(host);
  return hostname !== null && (isLoopbackHost(hostname) || matchesHost(hostname, options.allowedHosts));
}

/** True for names that match an entry. */
export function matchesHost(hostname: string, entries: readonly string[]): boolean {
  return entries.some((entry) => (entry.startsWith('.') ? hostname.endsWith(entry) : hostname === entry));
}

/** Throws 403 for a Host that is neither loopback nor configured. */
export function checkHost(req: Request, options: GuardOptions): void {
  if (isAllowedHost(req.headers.host, options)) return;
  throw callerError('forbidden', 403, 'This host name is not served here. An operator can add it to KAGGLE_AGENT_ALLOWED_HOSTS.');
}

/**
 * Refuses web pages of other sites (403) and lets the allowed ones read the answer. True when the request was a preflight and has been
 * answered.
 */
export function applyOrigin(req: Request, res: Response, options: GuardOptions, loopbackOrigins: boolean): boolean {
  const origin = req.headers.origin;
  if (origin === undefined) return false;
  if (!isAllowedOrigin(origin, req.headers.host, options, loopbackOrigins)) {
    throw callerError(
      'forbidden',
      403,
      'Web pages of this origin may not call this service. An operator can add it to KAGGLE_AGENT_ALLOWED_ORIGINS.',
    );
  }
  res.setHeader('access-control-allow-origin', origin);
  res.setHeader('vary', 'Origin');
  res.setHeader('access-control-expose-headers', 'Location, ETag, Link, Retry-After, X-Request-Id, Idempotency-Replayed');
  if (req.method !== 'OPTIONS' || req.headers['access-control-request-method'] === undefined) return false;
  res.setHeader('access-control-allow-methods', 'GET, POST, DELETE');
  res.setHeader(
    'access-control-allow-headers',
    'Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Api-Key, X-Request-Id',
  );
  res.setHeader('access-control-max-age', '600');
  res.writeHead(204).end();
  return true;
}

function isAllowedOrigin(origin: string, host: string | undefined, options: GuardOptions, loopbackOrigins: boolean): boolean {
  if (options.allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return false;
  return url.host === host?.toLowerCase() || (loopbackOrigins && isLoopbackHost(url.hostname));
}
