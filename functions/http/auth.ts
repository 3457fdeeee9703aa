import type { IncomingHttpHeaders } from 'node:http';
import { createHash } from 'node:crypto';
import { AgentError, callerError } from '#core/errors.ts';

/** Who sent a request. The tenant always comes from the credential, never from the request's content. */
export interface Identity {
  readonly tenant: string;
  /** May see dead letters and send them again. */
  readonly operator: boolean;
}

/** Finds the owner of an API key; null when nobody's. */
export type Authenticator = (key: string) => Identity | null;

/** The identity when authentication is off (loopback and development only). */
export const OPEN_IDENTITY: Identity = { tenant: 'default', operator: true };

const TENANT = /^[a-z0-9][a-z0-9-]{0,62}$/;

/**
 * Reads a key file: one key a line, `<tenant> <sha256 of the key in hex> [operator]`; `#` starts a comment. Only hashes are kept, so the
 * file and the process never hold a usable key. Throws with the number of a wrong line, or when there is no key at all.
 */
export function parseApiKeys(text: string): Authenticator {
  const owners = new Map<string, Identity>();
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.replace(/#.*$/, '').trim().split(/\s+/).filter(Boolean);
    if (words.length === 0) continue;
    const [tenant = '', hash = '', role] = words;
    if (!TENANT.test(tenant) || !/^[0-9a-f]{64}$/.test(hash) || (role !== undefined && role !== 'operator') || words.length > 3) {
      throw new Error(`line ${index + 1} of the API key file is wrong: expected "<tenant> <sha256 of the key in hex> [operator]"`);
    }
    owners.set(hash, { tenant, operator: role === 'operator' });
  }
  if (owners.size === 0) throw new Error('the API key file has no key: add a line "<tenant> <sha256 of the key in hex>"');
  return (key) => owners.get(createHash('sha256').update(key).digest('hex')) ?? null;
}

/** The key of a request: `Authorization: Bearer …` or `X-Api-Key`; null when it has none. */
export function readApiKey(headers: IncomingHttpHeaders): string | null {
  const direct = headers['x-api-key'];
  if (typeof direct === 'string' && direct !== '') return direct;
  const match = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  return match?.[1] ?? null;
}

/** The identity of a request. Throws 401 for a missing or unknown key. */
export function authenticate(authenticator: Authenticator | null, headers: IncomingHttpHeaders): Identity {
  if (authenticator === null) return OPEN_IDENTITY;
  const key = readApiKey(headers);
  const identity = key === null ? null : authenticator(key);
  if (identity !== null) return identity;
  const message =
    key === null ? 'This address needs an API key: send it as "Authorization: Bearer <key>".' : 'This API key is not known here.';
  throw new AgentError({ code: 'unauthorized', status: 401, message, turn: 'caller' });
}

/** Throws 403 unless the identity may act for the whole installation. */
export function requireOperator(identity: Identity): void {
  if (!identity.operator) throw callerError('forbidden', 403, 'This address needs an operator key.');
}

/** True for a name that can be a tenant's. */
export function isTenantName(text: unknown): text is string {
  return typeof text === 'string' && TENANT.test(text);
}
