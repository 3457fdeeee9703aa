import { randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import test from 'ava';
import { AgentError } from '#core/errors.ts';
import { createGcsStore } from '#adapters/storage/gcs.ts';
import { testArtifactStore } from '../../contract/artifact-store.ts';
import { FAKE_GCS_VARIABLE, startFakeGcs } from '../../_support/fake-gcs.ts';
import type { FakeGcs } from '../../_support/fake-gcs.ts';
import { listenForTest } from '../../_support/listen-for-test.ts';

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
    const bucket = `bucket-${randomUUID()}`;
    await running().createBucket(bucket);
    const faults = { left: 0 };
    const proxy = createServer((incoming, outgoing) => {
      if (faults.left > 0) {
        faults.left -= 1;
        incoming.resume();
        outgoing.writeHead(503).end('busy');
        return;
      }
      const { method = 'GET', headers } = incoming;
      const upstream = request(`${running().endpoint}${incoming.url}`, { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(upstream);
    });
    const store = createGcsStore({ bucket, apiEndpoint: await listenForTest(t, proxy), projectId: 'test' });
    faults.left = 1;
    t.is((await store.createObject('k', 'x', 'text/plain')).kind, 'created');
    t.deepEqual(await store.createObject('k', 'y', 'text/plain'), { kind: 'exists', same: false });
    faults.left = 1;
    t.is((await store.statObject('k'))?.bytes, 1);
    t.is(faults.left, 0);
  });
}

test('GCS: an endpoint that nobody answers is unavailable', async (t) => {
  const store = createGcsStore({ bucket: 'some-bucket', apiEndpoint: 'http://127.0.0.1:1', projectId: 'test' });
  const error = await t.throwsAsync(store.createObject('k', 'x', 'text/plain'), { instanceOf: AgentError, message: /ECONNREFUSED/ });
  t.like(error, { code: 'unavailable', status: 503, turn: 'retry' });
});
