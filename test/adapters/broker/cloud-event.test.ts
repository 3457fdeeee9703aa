import { HTTP, CloudEvent } from 'cloudevents';
import fc from 'fast-check';
import test from 'ava';
import { AgentError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import type { PlainEvent } from '#core/events.ts';
import { buildEventMessage, isCloudEventMessage, parseCloudEventRequest } from '#adapters/broker/cloud-event.ts';

const BINARY = { 'ce-specversion': '1.0', 'ce-id': 'i', 'ce-type': 't', 'ce-source': '/s', 'content-type': 'application/json' };
const STRUCTURED = { specversion: '1.0', id: 'i', type: 't', source: '/s' };
const JSON_TYPE = { 'content-type': 'application/cloudevents+json' };
const BATCH_TYPE = { 'content-type': 'application/cloudevents-batch+json' };

test('binary, structured and batched mode give the same event', (t) => {
  const time = '2026-01-31T12:00:00Z';
  const expected = { id: 'i', type: 't', source: '/s', subject: 'x', time, data: { a: 1 }, extensions: { attempt: '2', flag: 'true' } };
  const binary = { ...BINARY, 'ce-subject': 'x', 'ce-time': time, 'ce-attempt': '2', 'ce-flag': 'true' };
  const item = { ...STRUCTURED, subject: 'x', time, data: { a: 1 }, attempt: 2, flag: true, datacontenttype: 'application/json' };
  t.deepEqual(parseCloudEventRequest({ headers: binary, body: '{"a":1}' }), [expected]);
  t.deepEqual(parseCloudEventRequest({ headers: JSON_TYPE, body: JSON.stringify(item) }), [expected]);
  t.deepEqual(parseCloudEventRequest({ headers: BATCH_TYPE, body: JSON.stringify([item, item]) }), [expected, expected]);
  t.deepEqual(parseCloudEventRequest({ headers: BATCH_TYPE, body: '[]' }), []);
});

test('content types are read in any case, with any parameters, and header names too', (t) => {
  for (const type of ['application/cloudevents+json;charset=UTF-8', 'Application/CloudEvents+JSON ; charset="utf-8"; x=y']) {
    t.is(parseCloudEventRequest({ headers: { 'Content-Type': type }, body: JSON.stringify(STRUCTURED) })[0]?.id, 'i');
  }
  const upper = Object.fromEntries(Object.entries(BINARY).map(([name, value]) => [name.toUpperCase(), value]));
  t.is(parseCloudEventRequest({ headers: upper, body: '{}' })[0]?.id, 'i');
});

test('data that the package would lose or spoil survives', (t) => {
  for (const data of [0, false, '', null, [], 'text']) {
    t.deepEqual(parseCloudEventRequest({ headers: JSON_TYPE, body: JSON.stringify({ ...STRUCTURED, data }) })[0]?.data, data);
  }
  const base64 = { ...STRUCTURED, datacontenttype: 'application/json', data_base64: Buffer.from('{"ü":1}').toString('base64') };
  t.deepEqual(parseCloudEventRequest({ headers: JSON_TYPE, body: JSON.stringify(base64) })[0]?.data, { ü: 1 });
  const plain = { ...BINARY, 'content-type': 'text/plain' };
  t.is(parseCloudEventRequest({ headers: plain, body: '{"a":1}' })[0]?.data, '{"a":1}');
  t.is(parseCloudEventRequest({ headers: BINARY, body: '' })[0]?.data, null);
});

test('raw UTF-8 and unencoded percent signs of other senders are understood', (t) => {
  const raw = Buffer.from('Größe 100%').toString('latin1');
  t.is(parseCloudEventRequest({ headers: { ...BINARY, 'ce-subject': raw }, body: '' })[0]?.subject, 'Größe 100%');
});

test('a missing time becomes now, a missing subject the empty string', (t) => {
  const [event] = parseCloudEventRequest({ headers: BINARY, body: '' });
  t.is(event?.subject, '');
  t.true(Math.abs(Date.parse(event?.time ?? '') - Date.now()) < 60_000);
});

test('what the official package sends is read', (t) => {
  const event = new CloudEvent({
    id: 'i',
    type: 't',
    source: '/s',
    subject: 'x',
    data: { a: 1 },
    dataschema: 'https://example.com/s',
    attempt: '3',
  });
  for (const { headers, body } of [HTTP.binary(event), HTTP.structured(event)]) {
    const flat = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    const [read] = parseCloudEventRequest({ headers: flat, body: String(body) });
    t.like(read, { id: 'i', subject: 'x', data: { a: 1 }, extensions: { attempt: '3', dataschema: 'https://example.com/s' } });
  }
});

test('what we send is read by the official package', (t) => {
  const event = {
    id: 'i',
    type: 't',
    source: '/s',
    subject: 'x',
    time: '2026-01-31T12:00:00.000Z',
    data: { a: [1] },
    extensions: { attempt: 2 },
  };
  const { headers, body } = buildEventMessage(event);
  const read = HTTP.toEvent({ headers: { ...headers }, body });
  t.false(Array.isArray(read));
  t.like(read, { id: 'i', type: 't', source: '/s', subject: 'x', data: { a: [1] }, attempt: '2' });
});

const text = (maxLength: number) => fc.string({ unit: 'grapheme', minLength: 1, maxLength }).filter((value) => !/\p{Cc}/u.test(value));
const arbitraryEvent: fc.Arbitrary<PlainEvent> = fc.record({
  id: text(50),
  type: text(50),
  source: fc.webPath().filter((path) => path !== ''),
  subject: fc.oneof(fc.constant(''), text(50)),
  time: fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }).map((date) => date.toISOString()),
  data: fc.jsonValue({ maxDepth: 5 }),
  extensions: fc.dictionary(fc.stringMatching(/^x[a-z0-9]{0,10}$/), text(50), { maxKeys: 5 }),
});

test('any event comes back as it was sent', (t) => {
  fc.assert(
    fc.property(arbitraryEvent, (event) => {
      const message = buildEventMessage(event);
      for (const value of Object.values(message.headers)) if (!/^[\x21-\x7e]+$/.test(value)) return false;
      const [read] = parseCloudEventRequest(message);
      t.deepEqual(read, { ...event, data: JSON.parse(JSON.stringify(event.data)), extensions: { ...event.extensions } });
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('garbage never causes anything but a clear AgentError', (t) => {
  const header = fc.constantFrom('ce-id', 'ce-type', 'ce-source', 'ce-specversion', 'ce-time', 'ce-x', 'ce-', 'content-type');
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('1.0', 'application/json', ...Object.values(JSON_TYPE), ...Object.values(BATCH_TYPE)),
  );
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    fc.jsonValue().map((item) => JSON.stringify([{ ...STRUCTURED, x: item }])),
  );
  fc.assert(
    fc.property(fc.dictionary(header, value), body, (headers, content) => {
      try {
        parseCloudEventRequest({ headers, body: content });
      } catch (error) {
        if (!(error instanceof AgentError) || error.status >= 500) throw error;
      }
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
const without = (name: string) => JSON.stringify({ ...STRUCTURED, [name]: undefined });
const item = (part: object) => JSON.stringify({ ...STRUCTURED, ...part });
const REFUSED: readonly [string, Record<string, string>, string, ErrorCode, RegExp][] = [
  ['no headers at all', {}, '{}', 'invalid-event', /this is no CloudEvent/],
  ['plain JSON', { 'content-type': 'application/json' }, '{}', 'invalid-event', /this is no CloudEvent/],
  ['XML', { 'content-type': 'application/cloudevents+xml' }, '<a/>', 'unsupported-media-type', /send JSON/],
  ['broken JSON data', BINARY, '{"a":', 'invalid-event', /not valid JSON/],
  ['a broken structured body', JSON_TYPE, '{', 'invalid-event', /not valid JSON/],
  ['an empty structured body', JSON_TYPE, '', 'invalid-event', /not valid JSON/],
  ['an array as one event', JSON_TYPE, '[]', 'invalid-event', /must be a JSON object/],
  ['null as an event', JSON_TYPE, 'null', 'invalid-event', /must be a JSON object/],
  ['an object as a batch', BATCH_TYPE, '{}', 'invalid-event', /must be a JSON array/],
  ['101 events', BATCH_TYPE, JSON.stringify(Array.from({ length: 101 }, () => STRUCTURED)), 'invalid-event', /at most 100/],
  [
    'one bad event in a batch',
    BATCH_TYPE,
    JSON.stringify([STRUCTURED, { ...STRUCTURED, id: '' }]),
    'invalid-event',
    /event \/1: attribute "id"/,
  ],
  ['a body that is too large', BINARY, JSON.stringify('x'.repeat(262_144)), 'body-too-large', /at most 262144/],
  ['no id', JSON_TYPE, without('id'), 'invalid-event', /"id" is missing/],
  ['no type', JSON_TYPE, without('type'), 'invalid-event', /"type" is missing/],
  ['no source', JSON_TYPE, without('source'), 'invalid-event', /"source" is missing/],
  ['no version', JSON_TYPE, without('specversion'), 'invalid-event', /"specversion" is missing/],
  ['no version in binary mode', { 'ce-id': 'i', 'ce-type': 't', 'ce-source': '/s' }, '', 'invalid-event', /"specversion" is missing/],
  ['version 0.3', { ...BINARY, 'ce-specversion': '0.3' }, '', 'invalid-event', /must be "1.0"/],
  ['version 2.0', JSON_TYPE, item({ specversion: '2.0' }), 'invalid-event', /must be "1.0"/],
  ['a bad time', { ...BINARY, 'ce-time': 'yesterday' }, '', 'invalid-event', /RFC 3339/],
  ['a time that is none', JSON_TYPE, item({ time: '2026-13-45T00:00:00Z' }), 'invalid-event', /RFC 3339/],
  ['a source with a space', JSON_TYPE, item({ source: 'not a uri' }), 'invalid-event', /not a valid CloudEvent/],
  ['an upper-case extension', JSON_TYPE, item({ jobId: 'x' }), 'invalid-event', /"jobId" must be/],
  ['an extension with a dash', { ...BINARY, 'ce-job-id': 'x' }, '', 'invalid-event', /"job-id" must be/],
  ['an object as extension', JSON_TYPE, item({ ext: {} }), 'invalid-event', /"ext" must be a string/],
  ['a fraction as extension', JSON_TYPE, item({ ext: 1.5 }), 'invalid-event', /"ext" must be a string/],
  ['a number as id', JSON_TYPE, item({ id: {} }), 'invalid-event', /"id" must be a string/],
  [
    '__proto__',
    JSON_TYPE,
    '{"specversion":"1.0","id":"i","type":"t","source":"/s","__proto__":"x"}',
    'invalid-event',
    /"__proto__" must be/,
  ],
  ['a long id', { ...BINARY, 'ce-id': 'x'.repeat(1001) }, '', 'invalid-event', /longer than 1000/],
  ['a long type', { ...BINARY, 'ce-type': 'x'.repeat(256) }, '', 'invalid-event', /longer than 255/],
  ['a long extension', JSON_TYPE, item({ ext: 'x'.repeat(5000) }), 'invalid-event', /longer than 4096/],
  [
    'many extensions',
    JSON_TYPE,
    item(Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`x${index}`, 'y']))),
    'invalid-event',
    /more than 40/,
  ],
  ['extensions beyond a header block', JSON_TYPE, item({ a: 'ü'.repeat(3000) }), 'invalid-event', /bytes of headers/],
  ['a line break in the subject', JSON_TYPE, item({ subject: 'a\r\nce-type: evil' }), 'invalid-event', /control character/],
  ['an encoded line break', { ...BINARY, 'ce-subject': 'a%0D%0Ab' }, '', 'invalid-event', /control character/],
  ['an encoded byte that is no UTF-8', { ...BINARY, 'ce-subject': '%FF' }, '', 'invalid-event', /not UTF-8/],
  ['a lone surrogate', JSON_TYPE, '{"specversion":"1.0","id":"\\ud800","type":"t","source":"/s"}', 'invalid-event', /well-formed/],
  ['data twice', JSON_TYPE, item({ data: 1, data_base64: 'AA==' }), 'invalid-event', /both/],
  ['bad base64', JSON_TYPE, item({ data_base64: '***' }), 'invalid-event', /not base64/],
  ['binary data', JSON_TYPE, item({ data_base64: '//8=' }), 'invalid-event', /not UTF-8/],
  ['deep data', BINARY, deep, 'invalid-event', /nested deeper than 64/],
  [
    'deep structured data',
    JSON_TYPE,
    `{"specversion":"1.0","id":"i","type":"t","source":"/s","data":${deep}}`,
    'invalid-event',
    /nested deeper/,
  ],
];

for (const [name, headers, body, code, message] of REFUSED) {
  test(`refused with one clear line: ${name}`, (t) => {
    const error = t.throws(() => parseCloudEventRequest({ headers, body }), { instanceOf: AgentError, message });
    t.like(error, { code, turn: 'caller' });
    t.false(/\n/.test(error?.message ?? ''));
  });
}

test('a message is known as a CloudEvent by its version header or its content type', (t) => {
  t.true(isCloudEventMessage({ 'Ce-SpecVersion': '1.0' }));
  t.true(isCloudEventMessage(JSON_TYPE));
  t.false(isCloudEventMessage({ 'content-type': 'application/json' }));
});
