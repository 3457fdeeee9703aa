import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { ArtifactStore } from '#core/ports.ts';
import { AgentError } from '#core/errors.ts';
import { createGcsStore } from '#adapters/storage/gcs.ts';
import { testArtifactStore } from '../../contract/artifact-store.ts';
import { FAKE_GCS_VARIABLE, startFakeGcs } from '../../_support/fake-gcs.ts';
import type { FakeGcs } from '../../_support/fake-gcs.ts';
import { findFreePort, listenForTest } from '../../_support/listen-for-test.ts';

const binary = process.env[FAKE_GCS_VARIABLE] ?? '';

if (binary === '') {
  test(`GCS NOT verified: the suite was not run, because ${FAKE_GCS_VARIABLE} does not name a fake-gcs-server binary`, (t) => {
    t.log(`set ${FAKE_GCS_VARIABLE} to a fake-gcs-server binary to run the GCS suite`);
    t.pass();
  });
} else {
  testWithServer(binary);
}

function testWithServer(path: string): void {
  let server: FakeGcs | null = null;
  const running = (): FakeGcs => {
    if (server === null) throw new Error('fake-gcs-server is not running');
    return server;
  };
  test.before(async () => {
    server = await startFakeGcs(path);
  });
  test.after.always(async () => {
    await server?.stop();
  });

  testArtifactStore(test, 'GCS', async () => {
    const { endpoint } = running();
    const bucket = `bucket-${randomUUID()}`;
    await running().createBucket(bucket);
    const store = createGcsStore({ bucket, prefix: 'runs/one', apiEndpoint: endpoint, projectId: 'test' });
    return { store, url: `gs://${bucket}/runs/one`, gcsEndpoint: endpoint };
  });

  test('GCS: two prefixes of a bucket do not see each other', async (t) => {
    const bucket = `bucket-${randomUUID()}`;
    await running().createBucket(bucket);
    const open = (prefix: string) => createGcsStore({ bucket, prefix, apiEndpoint: running().endpoint, projectId: 'test' });
    await open('a').createObject('k', 'in a', 'text/plain');
    t.is(await open('b').statObject('k'), null);
    t.is((await open('b').createObject('k', 'in b', 'text/plain')).kind, 'created');
    t.is(await open('a').deletePrefix(''), 1);
    t.not(await open('b').statObject('k'), null);
  });

  test('GCS: a missing bucket is for the operator, and names the bucket', async (t) => {
    const store = createGcsStore({ bucket: 'no-such-bucket', apiEndpoint: running().endpoint, projectId: 'test' });
    for (const work of [store.ping(), store.createObject('k', 'x', 'text/plain')]) {
      const error = await t.throwsAsync(work, { instanceOf: AgentError, message: /no-such-bucket/ });
      t.like(error, { code: 'unavailable', turn: 'operator' });
    }
  });

  test('GCS: writes and reads are tried again after a 503, and stay so after a write was refused', async (t) => {
    const { store, faults } = await openThroughProxy(t, running());
    faults.refuse = 1;
    t.is((await store.createObject('k', 'x', 'text/plain')).kind, 'created');
    t.deepEqual(await store.createObject('k', 'y', 'text/plain'), { kind: 'exists', same: false });
    faults.refuse = 1;
    t.is((await store.statObject('k'))?.bytes, 1);
    t.is(faults.refuse, 0);
  });

  test('GCS: a write whose reply was lost is still reported as created', async (t) => {
    const { store, faults } = await openThroughProxy(t, running());
    faults.loseReply = 1;
    t.is((await store.createObject('k', 'x', 'text/plain')).kind, 'created');
    t.is(faults.loseReply, 0);
    t.deepEqual(await store.createObject('k', 'x', 'text/plain'), { kind: 'exists', same: true });
  });

  test('GCS: a download that breaks off is taken up where it ended', async (t) => {
    const { store, faults } = await openThroughProxy(t, running());
    const bytes = randomBytes(3_000_000);
    await store.createObject('k', bytes, 'application/octet-stream');
    faults.cutDownload = 1;
    const opened = await store.openObject('k', { start: 7 });
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened?.stream ?? []) chunks.push(chunk);
    t.true(Buffer.concat(chunks).equals(bytes.subarray(7)));
    faults.cutDownload = 1;
    t.true(Buffer.from((await store.readObject('k', 3_000_000)) ?? []).equals(bytes));
    t.is(faults.cutDownload, 0);
  });

  test('GCS: an endpoint that nobody answers is unavailable', async (t) => {
    const store = createGcsStore({ bucket: 'some-bucket', apiEndpoint: `http://127.0.0.1:${await findFreePort()}`, projectId: 'test' });
    for (const work of [store.createObject('k', 'x', 'text/plain'), store.readObject('k', 9), store.statObject('k')]) {
      const error = await t.throwsAsync(work, { instanceOf: AgentError, message: /ECONNREFUSED/ });
      t.like(error, { code: 'unavailable', status: 503, turn: 'retry' });
    }
  });
}

/** How many of the next requests go wrong, and how. */
interface ProxyFaults {
  refuse: number;
  loseReply: number;
  cutDownload: number;
}

/** A store whose requests pass through a proxy with knobs. */
async function openThroughProxy(t: ExecutionContext, server: FakeGcs): Promise<{ store: ArtifactStore; faults: ProxyFaults }> {
  const bucket = `bucket-${randomUUID()}`;
  await server.createBucket(bucket);
  const faults = { refuse: 0, loseReply: 0, cutDownload: 0 };
  const proxy = createServer((incoming, outgoing) => {
    const { method = 'GET', headers, url = '/' } = incoming;
    if (faults.refuse > 0) {
      faults.refuse -= 1;
      incoming.resume();
      outgoing.writeHead(503).end('busy');
      return;
    }
    const upstream = request(`${server.endpoint}${url}`, { method, headers }, (answer) => {
      if (faults.loseReply > 0 && method === 'POST') {
        faults.loseReply -= 1;
        answer.resume().once('end', () => outgoing.destroy());
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      if (faults.cutDownload > 0 && url.includes('alt=media')) {
        faults.cutDownload -= 1;
        answer.once('data', () => setImmediate(() => outgoing.destroy()));
      }
    });
    incoming.pipe(upstream);
  });
  return { store: createGcsStore({ bucket, apiEndpoint: await listenForTest(t, proxy), projectId: 'test' }), faults };
}
