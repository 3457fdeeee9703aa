import { CloudEvent, HTTP } from 'cloudevents';
import { callerError } from '#core/errors.ts';
import type { AttributeLimits } from './attributes.ts';
import type { PlainEvent } from '#core/events.ts';
import { DOOR_LIMITS, checkAttributes, decodeAttribute, encodeAttribute, invalidEvent } from './attributes.ts';

/** Largest body of an event or of a batch, in bytes, and most events in a batch. */
export const MAX_EVENT_BODY_BYTES = 256 * 1024;
export const MAX_BATCH_EVENTS = 100;
const MAX_DATA_DEPTH = 64;

/** One HTTP message in CloudEvents binary mode. */
export interface EventMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What an event door received: headers as Node or `fetch` gives them (any case), the body as text. */
export interface EventRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/** Binary-mode message of an event, JSON data, attributes percent-encoded. Throws AgentError `invalid-event` or `body-too-large`. */
export function buildEventMessage(event: PlainEvent): EventMessage {
  const attributes = new Map<string, string>([
    ['specversion', '1.0'],
    ['id', event.id],
    ['type', event.type],
    ['source', event.source],
    ['time', event.time],
  ]);
  if (event.subject !== '') attributes.set('subject', event.subject);
  for (const [name, value] of Object.entries(event.extensions)) {
    if (attributes.has(name) || name === 'datacontenttype')
      throw invalidEvent('', `"${name}" can't be an extension: it is a core attribute`);
    if (typeof value === 'number' && !Number.isInteger(value))
      throw invalidEvent('', `extension "${name}" must be a whole number or a string`);
    attributes.set(name, String(value));
  }
  const cloudEvent = makeCloudEvent(attributes, '', DOOR_LIMITS);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(HTTP.binary(cloudEvent).headers)) {
    headers[name] = name.startsWith('ce-') ? encodeAttribute(String(value)) : String(value);
  }
  // Written here and not by the package, which would send a string as it is: not JSON.
  checkDepth(event.data, '');
  const body = event.data === undefined ? '' : JSON.stringify(event.data);
  checkBodySize(body);
  return { headers: { ...headers, 'content-type': 'application/json' }, body };
}

/**
 * Reads a request in binary, structured or batched mode. All events or none: throws AgentError `invalid-event` (400), `body-too-large`
 * (413) or `unsupported-media-type` (415) with a line that names the event. Extensions come back as strings in every mode; a missing
 * subject as '', missing data as null, a missing time as now.
 */
export function parseCloudEventRequest(request: EventRequest, limits: AttributeLimits = DOOR_LIMITS): PlainEvent[] {
  const headers = lowerHeaders(request.headers);
  checkBodySize(request.body);
  const mediaType = readMediaType(headers.get('content-type'));
  if (mediaType === 'application/cloudevents-batch+json') return parseBatch(request.body, limits);
  if (mediaType === 'application/cloudevents+json') return [readStructured(parseJson(request.body, ''), '', limits)];
  if (mediaType?.startsWith('application/cloudevents') === true) {
    throw callerError('unsupported-media-type', 415, `${mediaType.slice(0, 80)} is not read here: send JSON, structured or in binary mode`);
  }
  if (!headers.has('ce-id') && !headers.has('ce-specversion')) {
    throw invalidEvent('', 'this is no CloudEvent: neither a ce-id header nor content type application/cloudevents+json');
  }
  return [readBinary(headers, mediaType, request.body, limits)];
}

/** True when an HTTP response or request claims to hold a CloudEvent (in any mode). */
export function isCloudEventMessage(headers: EventRequest['headers']): boolean {
  const lowered = lowerHeaders(headers);
  return lowered.has('ce-specversion') || readMediaType(lowered.get('content-type'))?.startsWith('application/cloudevents') === true;
}

function parseBatch(body: string, limits: AttributeLimits): PlainEvent[] {
  const items = parseJson(body, '');
  if (!Array.isArray(items)) throw invalidEvent('', 'a batch must be a JSON array of events');
  if (items.length > MAX_BATCH_EVENTS)
    throw invalidEvent('', `a batch of ${items.length} events: at most ${MAX_BATCH_EVENTS} are taken at once`);
  return items.map((item: unknown, index) => readStructured(item, `/${index}`, limits));
}

function readStructured(item: unknown, where: string, limits: AttributeLimits): PlainEvent {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) throw invalidEvent(where, 'must be a JSON object');
  const attributes = new Map<string, string>();
  let data: unknown = null;
  for (const [name, value] of Object.entries(item)) {
    if (name === 'data') data = value;
    else if (name !== 'data_base64' && value !== null) attributes.set(name, readAttributeValue(name, value, where));
  }
  if ('data_base64' in item && item.data_base64 !== null) {
    if (data !== null) throw invalidEvent(where, 'has both "data" and "data_base64"');
    data = readBase64(item.data_base64, readMediaType(attributes.get('datacontenttype')), where);
  }
  return toPlainEvent(attributes, data, where, limits);
}

function readBinary(headers: ReadonlyMap<string, string>, mediaType: string | null, body: string, limits: AttributeLimits): PlainEvent {
  const attributes = new Map<string, string>();
  for (const [header, value] of headers) {
    const name = header.startsWith('ce-') ? header.slice(3) : '';
    // The content type of the data travels in its own header.
    if (name !== '' && name !== 'datacontenttype') attributes.set(name, decodeAttribute(name, value));
  }
  return toPlainEvent(attributes, readData(body, mediaType, ''), '', limits);
}

function toPlainEvent(attributes: ReadonlyMap<string, string>, data: unknown, where: string, limits: AttributeLimits): PlainEvent {
  makeCloudEvent(attributes, where, limits);
  checkDepth(data, where);
  const {
    specversion: _,
    id = '',
    type = '',
    source = '',
    subject = '',
    time,
    datacontenttype: __,
    ...extensions
  } = Object.fromEntries(attributes);
  return { id, type, source, subject, time: time ?? new Date().toISOString(), data, extensions };
}

/** Our own checks first: the package fills in a missing id and version, and does not look at what it parses. */
function makeCloudEvent(attributes: ReadonlyMap<string, string>, where: string, limits: AttributeLimits): CloudEvent {
  checkAttributes(attributes, where, limits);
  try {
    const cloudEvent = new CloudEvent(Object.fromEntries(attributes), true);
    cloudEvent.validate();
    return cloudEvent;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').slice(0, 200) : 'unknown reason';
    throw invalidEvent(where, `is not a valid CloudEvent: ${reason}`);
  }
}

function readAttributeValue(name: string, value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isInteger(value))) return String(value);
  throw invalidEvent(where, `attribute ${JSON.stringify(name.slice(0, 64))} must be a string, a whole number or a boolean`);
}

function readData(body: string, mediaType: string | null, where: string): unknown {
  if (body === '') return null;
  const isJson = mediaType === null || mediaType === 'application/json' || mediaType === 'text/json' || mediaType.endsWith('+json');
  return isJson ? parseJson(body, where) : body;
}

function readBase64(value: unknown, mediaType: string | null, where: string): unknown {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw invalidEvent(where, '"data_base64" is not base64');
  try {
    return readData(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'base64')), mediaType, where);
  } catch (error) {
    if (error instanceof TypeError) throw invalidEvent(where, '"data_base64" holds bytes that are not UTF-8: binary data is not taken');
    throw error;
  }
}

function parseJson(body: string, where: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw invalidEvent(where, 'the body is not valid JSON');
  }
}

function checkDepth(data: unknown, where: string): void {
  if (isDeeperThan(data, MAX_DATA_DEPTH)) throw invalidEvent(where, `data is nested deeper than ${MAX_DATA_DEPTH} levels`);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}

function checkBodySize(body: string): void {
  const bytes = Buffer.byteLength(body);
  if (bytes > MAX_EVENT_BODY_BYTES)
    throw callerError('body-too-large', 413, `an event body of ${bytes} bytes: at most ${MAX_EVENT_BODY_BYTES} are taken`);
}

function readMediaType(header: string | undefined): string | null {
  const type = header?.split(';')[0]?.trim().toLowerCase() ?? '';
  return type === '' ? null : type;
}

function lowerHeaders(headers: EventRequest['headers']): Map<string, string> {
  const lowered = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) lowered.set(name.toLowerCase(), typeof value === 'string' ? value : value.join(', '));
  }
  return lowered;
}
