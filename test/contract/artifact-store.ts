import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ExecutionContext, TestFn } from 'ava';
import { AgentError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import type { ArtifactStore } from '#core/ports.ts';

/** A fresh, empty store, and how another process opens the same one. */
export interface StoreUnderTest {
  readonly store: ArtifactStore;
  readonly url: string;
  readonly gcsEndpoint: string | null;
}

type Open = (t: ExecutionContext) => Promise<StoreUnderTest>;

/** Registers what every ArtifactStore promises (core/ports.ts) as tests named after the implementation. */
export function testArtifactStore(test: TestFn, name: string, open: Open): void {
  testCreation(test, name, open);
  testReading(test, name, open);
  testListing(test, name, open);
  testFilesAndCopies(test, name, open);
  testHostileInput(test, name, open);
  testCrash(test, name, open);
}

function testCreation(test: TestFn, name: string, open: Open): void {
  test(`${name}: an object is read back with its bytes, hash, size and type`, async (t) => {
    const { store } = await open(t);
    const outcome = await store.createObject('jobs/a/claim', '{"é":1}', 'application/json; charset=utf-8');
    t.is(outcome.kind, 'created');
    const object = await store.statObject('jobs/a/claim');
    t.like(object, { key: 'jobs/a/claim', bytes: 8, sha256: sha256('{"é":1}'), contentType: 'application/json; charset=utf-8' });
    t.deepEqual(outcome.kind === 'created' ? outcome.object : null, object);
    t.true(Math.abs((object?.createdAt.getTime() ?? 0) - Date.now()) < 60_000);
    t.is(text(await store.readObject('jobs/a/claim', 8)), '{"é":1}');
    await store.ping();
  });

  test(`${name}: a second write never replaces the first, and says whether the bytes are the same`, async (t) => {
    const { store } = await open(t);
    await store.createObject('k', 'first', 'text/plain');
    t.deepEqual(await store.createObject('k', 'first', 'text/plain'), { kind: 'exists', same: true });
    t.deepEqual(await store.createObject('k', 'first', 'text/csv'), { kind: 'exists', same: true });
    t.deepEqual(await store.createObject('k', 'other', 'text/plain'), { kind: 'exists', same: false });
    t.is(text(await store.readObject('k', 100)), 'first');
    t.is((await store.statObject('k'))?.contentType, 'text/plain');
  });

  test(`${name}: of 20 concurrent creators of one key exactly one creates it`, async (t) => {
    const { store } = await open(t);
    for (let round = 0; round < 5; round += 1) {
      const key = `race/${round}/claim`;
      const bodies = Array.from({ length: 20 }, (_, index) => `nonce-${index % 10}`);
      const outcomes = await Promise.all(bodies.map((body) => store.createObject(key, body, 'text/plain')));
      const winners = outcomes.flatMap((outcome, index) => (outcome.kind === 'created' ? [bodies[index] ?? ''] : []));
      t.is(winners.length, 1);
      const [winner = ''] = winners;
      t.is(text(await store.readObject(key, 100)), winner);
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.kind === 'exists') t.is(outcome.same, bodies[index] === winner);
      }
    }
  });

  test(`${name}: an empty object is an object`, async (t) => {
    const { store } = await open(t);
    t.is((await store.createObject('empty', '', 'text/plain')).kind, 'created');
    t.like(await store.statObject('empty'), { bytes: 0, sha256: sha256('') });
    t.is((await store.readObject('empty', 0))?.byteLength, 0);
    t.is((await readAll(store, 'empty'))?.byteLength, 0);
  });
}

function testReading(test: TestFn, name: string, open: Open): void {
  test(`${name}: a missing object is null, never an error`, async (t) => {
    const { store } = await open(t);
    t.is(await store.statObject('no/such'), null);
    t.is(await store.readObject('no/such', 10), null);
    t.is(await store.openObject('no/such'), null);
    t.deepEqual(await store.listObjects({ prefix: 'no/', after: null, limit: 10 }), []);
    t.is(await store.deletePrefix('no/'), 0);
  });

  test(`${name}: a read with a cap refuses a larger object`, async (t) => {
    const { store } = await open(t);
    await store.createObject('big', Buffer.alloc(1001), 'text/plain');
    await throwsCode(t, store.readObject('big', 1000), 'body-too-large');
    t.is((await store.readObject('big', 1001))?.byteLength, 1001);
  });

  test(`${name}: a range starts at its byte, and past the end it is empty`, async (t) => {
    const { store } = await open(t);
    const bytes = randomBytes(700_000);
    await store.createObject('range', bytes, 'application/octet-stream');
    for (const start of [0, 1, 262_144, 699_999, 700_000, 900_000]) {
      t.deepEqual(Buffer.from((await readAll(store, 'range', start)) ?? []), bytes.subarray(start), `start ${start}`);
    }
    await throwsCode(t, store.openObject('range', { start: -1 }), 'invalid-query');
    await throwsCode(t, store.openObject('range', { start: 0.5 }), 'invalid-query');
  });

  test(`${name}: a reader may stop in the middle of a stream`, async (t) => {
    const { store } = await open(t);
    await store.createObject('long', Buffer.alloc(3_000_000, 'x'), 'text/plain');
    const opened = await store.openObject('long');
    let seen = 0;
    for await (const chunk of opened?.stream ?? []) {
      seen += chunk.byteLength;
      if (seen > 0) break;
    }
    t.true(seen > 0 && seen <= 3_000_000);
  });
}

function testListing(test: TestFn, name: string, open: Open): void {
  test(`${name}: a listing is in key order over folders, and pages join without gap or repeat`, async (t) => {
    const { store } = await open(t);
    const keys = [
      'p/a',
      'p/a-b',
      'p/a.b',
      'p/a/1',
      'p/a0',
      'p/b/00000001',
      'p/b/00000002',
      'p/b/00000010',
      'p/ü',
      'p/\u{1f600}',
      'q',
      'p0',
    ];
    const creatable = keys.filter((key) => key !== 'p/a');
    for (const key of [...creatable].reverse()) await store.createObject(key, key, 'text/plain');
    const expected = creatable
      .filter((key) => key.startsWith('p/'))
      .sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
    const all = await store.listObjects({ prefix: 'p/', after: null, limit: 100 });
    t.deepEqual(listed(all), expected);
    t.is(all[0]?.sha256, sha256(expected[0] ?? ''));
    for (const limit of [1, 2, 3, 7]) {
      const seen: string[] = [];
      for (let after: string | null = null; ; after = seen.at(-1) ?? null) {
        const page = await store.listObjects({ prefix: 'p/', after, limit });
        t.true(page.length <= limit);
        if (page.length === 0) break;
        seen.push(...listed(page));
      }
      t.deepEqual(seen, expected, `pages of ${limit}`);
    }
    t.deepEqual(listed(await store.listObjects({ prefix: 'p/b/0000000', after: null, limit: 9 })), ['p/b/00000001', 'p/b/00000002']);
    t.deepEqual(listed(await store.listObjects({ prefix: 'p/b/', after: 'p/b/00000003', limit: 9 })), ['p/b/00000010']);
    t.deepEqual(listed(await store.listObjects({ prefix: 'p', after: 'p/zzz', limit: 2 })), ['p/ü', 'p/\u{1f600}']);
    t.deepEqual(await store.listObjects({ prefix: '', after: null, limit: 0 }), []);
    t.is((await store.listObjects({ prefix: '', after: null, limit: 100 })).length, creatable.length);
  });

  test(`${name}: deleting a prefix leaves its neighbours, and its keys can be created again`, async (t) => {
    const { store } = await open(t);
    for (const key of ['jobs/1/a', 'jobs/1/b/c', 'jobs/10/a', 'jobs/2/a']) await store.createObject(key, 'x', 'text/plain');
    t.is(await store.deletePrefix('jobs/1/'), 2);
    t.deepEqual(listed(await store.listObjects({ prefix: '', after: null, limit: 9 })), ['jobs/10/a', 'jobs/2/a']);
    t.is(await store.statObject('jobs/1/a'), null);
    t.is((await store.createObject('jobs/1/a', 'y', 'text/plain')).kind, 'created');
    t.is(text(await store.readObject('jobs/1/a', 9)), 'y');
  });
}

function testFilesAndCopies(test: TestFn, name: string, open: Open): void {
  test(`${name}: a large file is stored whole, once, with its hash`, async (t) => {
    const { store } = await open(t);
    const folder = await makeFolder(t);
    const bytes = randomBytes(9_500_000);
    await writeFile(join(folder, 'model.bin'), bytes);
    const outcome = await store.createObjectFromFile('files/model.bin', join(folder, 'model.bin'), 'model/x-test');
    t.is(outcome.kind, 'created');
    t.like(await store.statObject('files/model.bin'), { bytes: bytes.byteLength, sha256: sha256(bytes) });
    t.is(sha256((await readAll(store, 'files/model.bin')) ?? ''), sha256(bytes));
    const again = await store.createObjectFromFile('files/model.bin', join(folder, 'model.bin'), 'model/x-test');
    t.deepEqual(again, { kind: 'exists', same: true });
    await writeFile(join(folder, 'small.csv'), 'id,y\n1,2\n');
    t.is((await store.createObjectFromFile('files/small.csv', join(folder, 'small.csv'), 'text/csv')).kind, 'created');
    t.is(text(await store.readObject('files/small.csv', 99)), 'id,y\n1,2\n');
  });

  test(`${name}: a missing file, a folder and a link are refused and leave nothing`, async (t) => {
    const { store } = await open(t);
    const folder = await makeFolder(t);
    await symlink('/etc/hostname', join(folder, 'link'));
    await throwsCode(t, store.createObjectFromFile('f', join(folder, 'missing'), 'text/plain'), 'file-not-found');
    await throwsCode(t, store.createObjectFromFile('f', join(folder, 'link'), 'text/plain'), 'invalid-query');
    await throwsCode(t, store.createObjectFromFile('f', folder, 'text/plain'), 'invalid-query');
    t.is(await store.statObject('f'), null);
  });

  test(`${name}: a copy is create-only too, and outlives the original`, async (t) => {
    const { store } = await open(t);
    await store.createObject('from/a', 'bytes', 'text/csv');
    await store.createObject('from/b', 'other', 'text/csv');
    const outcome = await store.copyObject('from/a', 'to/a');
    t.like(outcome, { kind: 'created', object: { key: 'to/a', bytes: 5, sha256: sha256('bytes'), contentType: 'text/csv' } });
    t.deepEqual(await store.copyObject('from/a', 'to/a'), { kind: 'exists', same: true });
    t.deepEqual(await store.copyObject('from/b', 'to/a'), { kind: 'exists', same: false });
    await throwsCode(t, store.copyObject('from/none', 'to/none'), 'file-not-found');
    t.is(await store.statObject('to/none'), null);
    await store.deletePrefix('from/');
    t.is(text(await store.readObject('to/a', 99)), 'bytes');
    t.like(await store.statObject('to/a'), { sha256: sha256('bytes'), contentType: 'text/csv' });
  });
}

const HOSTILE_KEYS = [
  '',
  '/',
  '/etc/passwd',
  'a//b',
  'a/',
  '/a',
  '.',
  '..',
  './a',
  'a/./b',
  '../a',
  'a/../../b',
  'a/..',
  'a\\..\\b',
  'a\0b',
  'a\nb',
  'a\u007f',
  'a\u0085b',
  'a\u2028b',
  '\ud800',
  'x'.repeat(1025),
  `a/${'y'.repeat(256)}`,
  'é'.repeat(600),
];

function testHostileInput(test: TestFn, name: string, open: Open): void {
  test(`${name}: hostile keys are refused by every method`, async (t) => {
    const { store } = await open(t);
    await store.createObject('good', 'x', 'text/plain');
    for (const key of HOSTILE_KEYS) {
      await throwsCode(t, store.createObject(key, 'x', 'text/plain'), 'invalid-query');
      await throwsCode(t, store.createObjectFromFile(key, '/dev/null', 'text/plain'), 'invalid-query');
      await throwsCode(t, store.copyObject('good', key), 'invalid-query');
      await throwsCode(t, store.copyObject(key, 'better'), 'invalid-query');
      await throwsCode(t, store.statObject(key), 'invalid-query');
      await throwsCode(t, store.readObject(key, 9), 'invalid-query');
      await throwsCode(t, store.openObject(key), 'invalid-query');
    }
    for (const prefix of ['/', '../', 'a/../', 'a//', '/etc', 'a\0']) {
      await throwsCode(t, store.listObjects({ prefix, after: null, limit: 9 }), 'invalid-query');
      await throwsCode(t, store.deletePrefix(prefix), 'invalid-query');
    }
    for (const type of ['', 'text/plain\r\nx: y', 'é', 't'.repeat(81)]) {
      await throwsCode(t, store.createObject('typed', 'x', type), 'invalid-query');
    }
    t.deepEqual(listed(await store.listObjects({ prefix: '', after: null, limit: 9 })), ['good']);
  });

  test(`${name}: strange but legal keys are kept as they are`, async (t) => {
    const { store } = await open(t);
    const keys = [
      'a b',
      'a%2F..%2Fb',
      'c?d#e&f=g',
      '...',
      '..a/b..',
      '-rf',
      'quote\'"`$(x)',
      '日本語/ファイル.csv',
      'z'.repeat(200),
      '.hidden/x',
      'CON',
      'a:b*c|d',
    ];
    for (const key of keys) t.is((await store.createObject(key, key, 'text/plain')).kind, 'created', key);
    for (const key of keys) t.is(text(await store.readObject(key, 1000)), key);
    t.deepEqual(listed(await store.listObjects({ prefix: '', after: null, limit: 99 })).sort(), keys.sort());
  });
}

function testCrash(test: TestFn, name: string, open: Open): void {
  test(`${name}: kill -9 of a writing process leaves whole objects only`, async (t) => {
    const { store, url, gcsEndpoint } = await open(t);
    for (let round = 1; round <= 3; round += 1) {
      const writer = new URL('../fixtures/store-writer.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, [writer, url, gcsEndpoint ?? ''], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      t.teardown(() => child.kill('SIGKILL'));
      const said: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        said.push(line);
        if (said.length >= round * 3) child.kill('SIGKILL');
      }
      await ended;
      const objects = await store.listObjects({ prefix: 'loop/', after: null, limit: 10_000 });
      t.true(
        said.every((key) => objects.some((object) => object.key === key)),
        'what was said to be created is there',
      );
      for (const object of objects) {
        t.is(object.bytes, 200_000);
        t.is(sha256((await store.readObject(object.key, 200_000)) ?? ''), object.sha256);
      }
      t.true(objects.length >= said.length);
    }
  });
}

async function throwsCode(t: ExecutionContext, work: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error = await t.throwsAsync(work, { instanceOf: AgentError });
  t.is(error instanceof AgentError ? error.code : null, code, error?.message ?? '');
}

async function readAll(store: ArtifactStore, key: string, start?: number): Promise<Uint8Array | null> {
  const opened = await store.openObject(key, start === undefined ? undefined : { start });
  if (opened === null) return null;
  const chunks: Uint8Array[] = [];
  for await (const chunk of opened.stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function makeFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `store-${randomUUID().slice(0, 8)}-`));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function listed(objects: readonly { readonly key: string }[]): string[] {
  return objects.map((object) => object.key);
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString();
}
