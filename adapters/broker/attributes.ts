import { callerError } from '#core/errors.ts';
import type { AgentError } from '#core/errors.ts';

/** Longest CloudEvents attributes that we take or send, in characters. Together they must fit a header block (see DOOR_LIMITS). */
export const ATTRIBUTE_LIMITS = { id: 1000, type: 255, source: 2000, subject: 1024, time: 64, dataschema: 2000 } as const;
const MAX_EXTENSION_NAME_CHARS = 64;
const MAX_EXTENSION_CHARS = 4096;

/** How many extensions an event may have, and how many bytes its headers may take. */
export interface AttributeLimits {
  readonly extensions: number;
  readonly headerBytes: number;
}

/** For doors and senders. Node's HTTP server answers 431 above 16 KiB of headers, and other headers need room too. */
export const DOOR_LIMITS: AttributeLimits = { extensions: 40, headerBytes: 14 * 1024 };
/** For a broker's ingress: leaves room for what the broker adds to a dead letter. */
export const INGRESS_LIMITS: AttributeLimits = { extensions: 32, headerBytes: 10 * 1024 };

const CORE_NAMES: readonly string[] = ['specversion', 'id', 'type', 'source', 'subject', 'time', 'dataschema', 'datacontenttype'];
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;
const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** An AgentError `invalid-event` (400): never valid, so brokers do not try it again. `where` names the event in a batch, or is empty. */
export function invalidEvent(where: string, message: string): AgentError {
  const details = [{ pointer: where === '' ? '/' : where, message }];
  return callerError('invalid-event', 400, `${where === '' ? 'event' : `event ${where}`}: ${message}`, details);
}

/** Checks names, presence, lengths and characters of all attributes; throws AgentError `invalid-event`. */
export function checkAttributes(attributes: ReadonlyMap<string, string>, where: string, limits: AttributeLimits): void {
  for (const name of REQUIRED) {
    if ((attributes.get(name) ?? '') === '') throw invalidEvent(where, `attribute "${name}" is missing or empty`);
  }
  if (attributes.get('specversion') !== '1.0') throw invalidEvent(where, 'attribute "specversion" must be "1.0"');
  const time = attributes.get('time');
  if (time !== undefined && (!RFC3339.test(time) || Number.isNaN(Date.parse(time)))) {
    throw invalidEvent(where, 'attribute "time" must be an RFC 3339 time such as 2026-01-31T12:00:00Z');
  }
  let headerBytes = 0;
  let extensions = 0;
  for (const [name, value] of attributes) {
    checkAttribute(name, value, where);
    headerBytes += name.length + encodeAttribute(value).length + 7;
    if (!CORE_NAMES.includes(name)) extensions += 1;
  }
  if (extensions > limits.extensions) throw invalidEvent(where, `more than ${limits.extensions} extension attributes`);
  if (headerBytes > limits.headerBytes)
    throw invalidEvent(where, `attributes need ${headerBytes} bytes of headers, more than ${limits.headerBytes}`);
}

function checkAttribute(name: string, value: string, where: string): void {
  const label = JSON.stringify(name.slice(0, 64));
  if (!/^[a-z0-9]+$/.test(name) || name.length > MAX_EXTENSION_NAME_CHARS || name === 'data') {
    throw invalidEvent(where, `attribute name ${label} must be 1 to ${MAX_EXTENSION_NAME_CHARS} lower-case letters or digits`);
  }
  const limit = name in ATTRIBUTE_LIMITS ? ATTRIBUTE_LIMITS[name as keyof typeof ATTRIBUTE_LIMITS] : MAX_EXTENSION_CHARS;
  if (value.length > limit) throw invalidEvent(where, `attribute ${label} is longer than ${limit} characters`);
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused here
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value) || !value.isWellFormed()) {
    throw invalidEvent(where, `attribute ${label} has a control character or is not well-formed Unicode`);
  }
}

/** Header form of an attribute (CloudEvents HTTP binding 3.1.3.2): space, quote, percent and all beyond printable ASCII as %XX. */
export function encodeAttribute(value: string): string {
  return value.replaceAll(/[^\u0021\u0023\u0024\u0026-\u007e]+/gu, (run) =>
    [...Buffer.from(run)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/**
 * Attribute from a header: one round of percent-decoding. Senders that do not encode are understood too: a `%` that starts no escape
 * stays, and raw UTF-8 bytes (which Node shows as Latin-1) are read as UTF-8.
 */
export function decodeAttribute(name: string, header: string): string {
  try {
    const utf8 = new TextDecoder('utf-8', { fatal: true });
    const text = /[\u0080-\u00ff]/.test(header) ? utf8.decode(Buffer.from(header, 'latin1')) : header;
    return text.replaceAll(/(?:%[0-9A-Fa-f]{2})+/g, (run) => utf8.decode(Buffer.from(run.replaceAll('%', ''), 'hex')));
  } catch {
    throw invalidEvent('', `header "ce-${name.slice(0, 64)}" is not UTF-8`);
  }
}
