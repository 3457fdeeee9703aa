import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readFunctionConfig } from '#functions/http/config.ts';
import { openPlane } from '#functions/http/open-plane.ts';

const BASE = {
  KAGGLE_AGENT_DATABASE_URL: 'postgres://x',
  KAGGLE_AGENT_STORAGE_URL: 'file:/nowhere',
  KAGGLE_AGENT_INTAKE_URL: 'http://intake.test/',
};
const read = (env: Readonly<Record<string, string>>) => readFunctionConfig({ ...BASE, ...env }, { isPublic: false });

test('attempts run where exactly one setting says', (t) => {
  t.deepEqual(read({ KAGGLE_AGENT_ATTEMPTS_DIR: '/a' }).cluster, { kind: 'processes', dir: '/a' });
  t.deepEqual(read({ KAGGLE_AGENT_RUNS_NAMESPACE: 'runs', KAGGLE_AGENT_POD_SETTINGS_FILE: '/a.json,/b.json', KUBECONFIG: '/k' }).cluster, {
    kind: 'kubernetes',
    namespace: 'runs',
    kubeconfig: '/k',
    podSettingsFiles: ['/a.json', '/b.json'],
  });
  t.is(read({}).cluster, null, 'functions that need no cluster start without');
});

for (const [title, env, words] of [
  ['nowhere', {}, /must know where attempts run: set KAGGLE_AGENT_RUNS_NAMESPACE .* or KAGGLE_AGENT_ATTEMPTS_DIR/],
  ['in two places', { KAGGLE_AGENT_RUNS_NAMESPACE: 'runs', KAGGLE_AGENT_ATTEMPTS_DIR: '/a' }, /one place only: unset one of/],
  ['in Kubernetes without an image', { KAGGLE_AGENT_RUNS_NAMESPACE: 'runs' }, /KAGGLE_AGENT_AGENT_IMAGE is missing/],
  [
    'in Kubernetes without settings',
    { KAGGLE_AGENT_RUNS_NAMESPACE: 'runs', KAGGLE_AGENT_AGENT_IMAGE: 'a:1' },
    /POD_SETTINGS_FILE is missing/,
  ],
  [
    'in Kubernetes with settings that are not there',
    { KAGGLE_AGENT_RUNS_NAMESPACE: 'runs', KAGGLE_AGENT_AGENT_IMAGE: 'a:1', KAGGLE_AGENT_POD_SETTINGS_FILE: '/no/such.json' },
    /names \/no\/such\.json, which can't be read/,
  ],
] as const) {
  test(`a launcher whose attempts run ${title} does not start, and says what to set`, async (t) => {
    await t.throwsAsync(openPlane(read(env), 'job-launcher', { createsJobs: true }), { message: words });
  });
}

test('a launcher in no pod and without a kubeconfig says so', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'config-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'pod.json');
  await writeFile(file, '{"storageUrl": "gs://bucket"}');
  const env = { KAGGLE_AGENT_RUNS_NAMESPACE: 'runs', KAGGLE_AGENT_AGENT_IMAGE: 'a:1', KAGGLE_AGENT_POD_SETTINGS_FILE: file };
  await t.throwsAsync(openPlane(read(env), 'job-launcher', { createsJobs: true }), { message: /runs in no pod.*set KUBECONFIG/ });
});

test('K_SINK stands in for the address of the intake broker, with its overrides', (t) => {
  const env = { KAGGLE_AGENT_DATABASE_URL: 'postgres://x', K_SINK: 'http://sink.test/', K_CE_OVERRIDES: '{"extensions": {"team": "a"}}' };
  const config = readFunctionConfig(env, { isPublic: false });
  t.is(config.require('intakeUrl'), 'http://sink.test/');
  t.deepEqual(config.eventOverrides, { team: 'a' });
  t.is(readFunctionConfig({ ...env, ...BASE }, { isPublic: false }).require('intakeUrl'), 'http://intake.test/');
  t.throws(() => readFunctionConfig({ KAGGLE_AGENT_DATABASE_URL: 'postgres://x' }, { isPublic: false }).require('intakeUrl'), {
    message: /KAGGLE_AGENT_INTAKE_URL \(or K_SINK\) is missing/,
  });
});

test("the storage emulator's address reaches the store", (t) => {
  t.deepEqual(read({ KAGGLE_AGENT_GCS_ENDPOINT: 'http://gcs.test:4443' }).storageOptions, { gcsEndpoint: 'http://gcs.test:4443' });
  t.deepEqual(read({}).storageOptions, {});
});
