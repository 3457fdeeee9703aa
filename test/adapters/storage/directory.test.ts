import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { AgentError } from '#core/errors.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';
import { testArtifactStore } from '../../contract/artifact-store.ts';

testArtifactStore(test, 'directory', async (t) => {
  const root = await makeFolder(t);
  return { store: createDirectoryStore({ root, durable: false }), url: `file:${root}`, gcsEndpoint: null };
});

test('a person can read an object in the folder under its key', async (t) => {
  const root = await makeFolder(t);
  await createDirectoryStore({ root }).createObject('results/1/submission.csv', 'id,y\n', 'text/csv');
  t.is(await readFile(join(root, 'keys/results/1/submission.csv'), 'utf8'), 'id,y\n');
});

test('20 stores on one folder, each durable, still create a key once', async (t) => {
  const root = await makeFolder(t);
  const stores = Array.from({ length: 20 }, () => createDirectoryStore({ root }));
  const outcomes = await Promise.all(stores.map((store, index) => store.createObject('a/claim', `nonce ${index}`, 'text/plain')));
  t.is(outcomes.filter((outcome) => outcome.kind === 'created').length, 1);
  t.deepEqual(await readdir(join(root, 'tmp')), []);
  t.is((await listBlobs(root)).length, 1, 'the losers took their bytes back');
});

test('deleting a prefix frees the bytes and the empty folders', async (t) => {
  const root = await makeFolder(t);
  const store = createDirectoryStore({ root, durable: false });
  await store.createObject('jobs/1/a/b', 'x', 'text/plain');
  await store.copyObject('jobs/1/a/b', 'results/1/b');
  t.is(await store.deletePrefix('jobs/'), 1);
  t.deepEqual(await readdir(join(root, 'keys')), ['results']);
  t.is((await listBlobs(root)).length, 1);
});

test('temporary files of dead writers are swept at start, those of live ones are not', async (t) => {
  const root = await makeFolder(t);
  await createDirectoryStore({ root }).ping();
  const dead = execFileSync(process.execPath, ['-p', 'process.pid']).toString().trim();
  await writeFile(join(root, 'tmp', `${dead}-${randomUUID()}`), 'half');
  const alive = `${process.pid}-${randomUUID()}`;
  await writeFile(join(root, 'tmp', alive), 'half');
  await createDirectoryStore({ root }).ping();
  t.deepEqual(await readdir(join(root, 'tmp')), [alive]);
});

test('links planted inside the folder are no objects and lead nowhere', async (t) => {
  const root = await makeFolder(t);
  const outside = await makeFolder(t);
  await writeFile(join(outside, 'secret'), 'secret');
  const store = createDirectoryStore({ root, durable: false });
  await store.createObject('good/a', 'x', 'text/plain');
  await symlink(join(outside, 'secret'), join(root, 'keys/good/file'));
  await symlink(outside, join(root, 'keys/folder'));
  for (const key of ['good/file', 'folder/secret', 'folder']) {
    t.is(await store.statObject(key), null, key);
    t.is(await store.readObject(key, 100), null, key);
  }
  const error = await t.throwsAsync(store.createObject('folder/new', 'x', 'text/plain'), { instanceOf: AgentError });
  t.like(error, { code: 'invalid-query' });
  await t.throwsAsync(store.createObject('folder/deep/new', 'x', 'text/plain'), { instanceOf: AgentError });
  await t.throwsAsync(store.createObject('good/file', 'x', 'text/plain'), { instanceOf: AgentError });
  const listed = await store.listObjects({ prefix: '', after: null, limit: 99 });
  t.deepEqual(
    listed.map((object) => object.key),
    ['good/a'],
  );
  t.deepEqual(await readdir(outside), ['secret']);
  await store.deletePrefix('');
  t.is(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
});

test('a key that is a folder of others, or below an object, is refused', async (t) => {
  const store = createDirectoryStore({ root: await makeFolder(t), durable: false });
  await store.createObject('a/b', 'x', 'text/plain');
  for (const key of ['a', 'a/b/c', 'a/b/c/d']) {
    const error = await t.throwsAsync(store.createObject(key, 'x', 'text/plain'), { instanceOf: AgentError });
    t.like(error, { code: 'invalid-query' }, key);
  }
  t.is(await store.statObject('a'), null);
  t.is(await store.statObject('a/b/c'), null);
});

test('bytes that were lost or cut short behind our back are said to be damaged', async (t) => {
  const root = await makeFolder(t);
  const store = createDirectoryStore({ root, durable: false });
  await store.createObject('cut', 'whole bytes', 'text/plain');
  const [blob = ''] = await listBlobs(root);
  await truncate(blob, 5);
  await t.throwsAsync(store.readObject('cut', 100), { instanceOf: AgentError, message: /damaged: it has 5 bytes instead of 11/ });
  await unlink(blob);
  await t.throwsAsync(store.readObject('cut', 100), { instanceOf: AgentError, message: /damaged: its bytes are missing/ });
});

test('a full disk is unavailable with a clear line, and nothing half is there', async (t) => {
  const root = await makeFolder(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', root], { stdio: 'ignore' });
  } catch {
    t.log('not run: making a small file system needs root');
    t.pass();
    return;
  }
  t.teardown(() => execFileSync('umount', [root]));
  const store = createDirectoryStore({ root });
  const bytes = Buffer.alloc(100_000, 'x');
  const big = join(await makeFolder(t), 'big');
  await writeFile(big, Buffer.alloc(600_000));
  const created: string[] = [];
  const errors: unknown[] = [];
  for (let index = 0; errors.length === 0 && index < 20; index += 1) {
    const outcome = await store.createObject(`k/${index}`, bytes, 'text/plain').catch((thrown: unknown) => void errors.push(thrown));
    if (outcome?.kind === 'created') created.push(outcome.object.key);
  }
  const [error] = errors;
  t.like(error, { code: 'unavailable', status: 503 });
  t.regex(error instanceof AgentError ? error.message : '', /storage is full \(ENOSPC\).*free some space/);
  await t.throwsAsync(store.createObjectFromFile('k/big', big, 'text/plain'), { instanceOf: AgentError, message: /storage is full/ });
  t.deepEqual(await readdir(join(root, 'tmp')), []);
  const listed = await store.listObjects({ prefix: '', after: null, limit: 99 });
  t.deepEqual(listed.map((object) => object.key).sort(), created.sort());
  await store.deletePrefix('k/0');
  t.is((await store.createObject('k/again', bytes, 'text/plain')).kind, 'created');
});

test('a folder that can not be made is unavailable', async (t) => {
  const root = await makeFolder(t);
  await writeFile(join(root, 'file'), '');
  const store = createDirectoryStore({ root: join(root, 'file', 'store') });
  const error = await t.throwsAsync(store.ping(), { instanceOf: AgentError, message: /check that the folder exists and is writable/ });
  t.like(error, { code: 'unavailable' });
});

test('a listing of a page reads only what it needs of a large tree', async (t) => {
  const root = await makeFolder(t);
  const store = createDirectoryStore({ root, durable: false });
  for (let job = 0; job < 20; job += 1) {
    for (let seq = 0; seq < 20; seq += 1) await store.createObject(`jobs/${String(job).padStart(2, '0')}/${seq}`, `${seq}`, 'text/plain');
  }
  // A folder that the page does not need is made unreadable: a listing that looked into it would fail.
  await rm(join(root, 'keys/jobs/19'), { recursive: true });
  await symlink('19', join(root, 'keys/jobs/19'));
  await mkdir(join(root, 'keys/jobs/20'));
  const page = await store.listObjects({ prefix: 'jobs/', after: 'jobs/05/9', limit: 3 });
  t.deepEqual(
    page.map((object) => object.key),
    ['jobs/06/0', 'jobs/06/1', 'jobs/06/10'],
  );
});

test('a storage URL opens the right store, and a wrong one says what is right', async (t) => {
  const root = await makeFolder(t);
  for (const url of [`file:${root}/a`, `file://${root}/a`]) {
    const store = await openArtifactStore(url, { durable: false });
    await store.createObject(createHash('sha256').update(url).digest('hex'), 'x', 'text/plain');
  }
  t.is((await readdir(join(root, 'a/keys'))).length, 2);
  for (const url of ['', 'file:', 'http://x', 's3://x/y', 'gs://', 'gs://A', 'file://host/x']) {
    const error = await t.throwsAsync(openArtifactStore(url), { instanceOf: AgentError });
    t.like(error, { code: 'invalid-url' }, url);
  }
});

async function makeFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function listBlobs(root: string): Promise<string[]> {
  const found = await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
