import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { makeSpec } from '../_support/agent-parts.ts';
import { makeTempDir } from '../_support/kaggle-stand-in.ts';
import { DEFAULT_MODELS } from '#agent/budget/prices.ts';
import { readAgentConfig } from '#agent/config.ts';

test('the environment names files; secrets come from them', async (t) => {
  const dir = await makeTempDir(t);
  const spec = makeSpec({ attempt: 2 });
  await writeFile(join(dir, 'spec.json'), JSON.stringify(spec));
  await writeFile(join(dir, 'token'), 'secret\n');
  await writeFile(join(dir, 'kaggle.json'), JSON.stringify({ username: 'u', key: 'k' }));
  const config = readAgentConfig({
    KAGGLE_AGENT_SPEC_FILE: join(dir, 'spec.json'),
    KAGGLE_AGENT_TOKEN_FILE: join(dir, 'token'),
    KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: join(dir, 'kaggle.json'),
    KAGGLE_AGENT_STORAGE_URL: `file:${dir}/objects`,
    KAGGLE_AGENT_WORK_DIR: dir,
  });
  t.deepEqual(config.spec, spec);
  t.is(config.token, 'secret');
  t.deepEqual(config.credentials, { username: 'u', key: 'k' });
  t.is(config.workDir, join(dir, `${spec.jobId}-a2`));
});

test('Claude has a key from a file, and models from another; without a key there is none', async (t) => {
  const dir = await makeTempDir(t);
  await writeFile(join(dir, 'spec.json'), JSON.stringify(makeSpec()));
  await writeFile(join(dir, 'key'), 'sk-secret\n');
  await writeFile(join(dir, 'models.json'), JSON.stringify({ ...DEFAULT_MODELS, strong: 'claude-opus-5-5' }));
  const base = { KAGGLE_AGENT_SPEC_FILE: join(dir, 'spec.json'), KAGGLE_AGENT_STORAGE_URL: 'file:/x' };
  t.is(readAgentConfig(base).claude, null);
  const keyed = { ...base, KAGGLE_AGENT_CLAUDE_KEY_FILE: join(dir, 'key') };
  t.deepEqual(readAgentConfig(keyed).claude, { apiKey: 'sk-secret', baseUrl: null, models: DEFAULT_MODELS });
  const own = { KAGGLE_AGENT_MODELS_FILE: join(dir, 'models.json'), KAGGLE_AGENT_CLAUDE_API_BASE: 'http://gateway.local' };
  t.like(readAgentConfig({ ...keyed, ...own }).claude, { baseUrl: 'http://gateway.local', models: { strong: 'claude-opus-5-5' } });
  for (const [text, message] of [
    ['{', /which is not JSON/],
    [JSON.stringify({ ...DEFAULT_MODELS, strong: 'claude-unpriced' }), /each model needs a price/],
  ] as const) {
    await writeFile(join(dir, 'models.json'), text);
    t.throws(() => readAgentConfig({ ...keyed, ...own }), { message });
  }
});

test('in a pod the runner, the volume shared with it and the pod are named; elsewhere there is none', async (t) => {
  const dir = await makeTempDir(t);
  const spec = makeSpec();
  await writeFile(join(dir, 'spec.json'), JSON.stringify(spec));
  const base = { KAGGLE_AGENT_SPEC_FILE: join(dir, 'spec.json'), KAGGLE_AGENT_STORAGE_URL: 'file:/x' };
  const pod = { KAGGLE_AGENT_RUNNER_SOCKET: '/run/x/runner.sock', KAGGLE_AGENT_RUNS_DIR: '/run/x/runs', KAGGLE_AGENT_POD_UID: 'uid-1' };
  const config = readAgentConfig({ ...base, ...pod });
  t.deepEqual(config.runner, { socketPath: '/run/x/runner.sock', runsDir: `/run/x/runs/${spec.jobId}-a1` });
  t.is(config.podUid, 'uid-1');
  t.is(readAgentConfig(base).runner, null);
  t.throws(() => readAgentConfig({ ...base, KAGGLE_AGENT_RUNS_DIR: '/run/x/runs' }), { message: /go together/ });
});

const WRONG: readonly [title: string, change: Record<string, string>, message: RegExp][] = [
  ['no storage', { KAGGLE_AGENT_STORAGE_URL: '' }, /KAGGLE_AGENT_STORAGE_URL: expected file:/],
  ['a sink that is no address', { K_SINK: 'nowhere' }, /K_SINK/],
  ['a spec that is not there', { KAGGLE_AGENT_SPEC_FILE: '/no/spec' }, /KAGGLE_AGENT_SPEC_FILE names \/no\/spec, which can't be read/],
  ['a credentials file that is no JSON', { KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: 'TEXT' }, /which is not JSON\.$/],
  ['credentials of another form', { KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: 'OTHER' }, /which is wrong in: its form\.$/],
];
for (const [title, change, message] of WRONG) {
  test(`${title} is said in one line, without a secret`, async (t) => {
    const dir = await makeTempDir(t);
    await writeFile(join(dir, 'spec.json'), JSON.stringify(makeSpec()));
    await writeFile(join(dir, 'TEXT'), 'my-secret-key');
    await writeFile(join(dir, 'OTHER'), JSON.stringify({ secret: 'my-secret-key' }));
    const paths = Object.entries(change).map(([name, value]) => [name, /^[A-Z]+$/.test(value) ? join(dir, value) : value]);
    const env = { KAGGLE_AGENT_SPEC_FILE: join(dir, 'spec.json'), KAGGLE_AGENT_STORAGE_URL: 'file:/x', ...Object.fromEntries(paths) };
    const error = t.throws(() => readAgentConfig(env), { message });
    t.false(error.message.includes('my-secret-key'));
    t.false(error.message.includes('\n'));
  });
}
