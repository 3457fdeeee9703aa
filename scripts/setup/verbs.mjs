import { existsSync } from 'node:fs';
import { installKaggleCli } from './install-kaggle-cli.mjs';
import { installLockedEnvironment } from './locked-environment.mjs';
import { findOrBuildFakeGcs } from './fake-gcs.mjs';
import { runInForeground, runProgram } from './launch.mjs';
import { areNpmPackagesReady, installNpmPackages } from './npm-packages.mjs';
import { inProject, nodePath } from './places.mjs';
import { checkDiskSpace } from './preflight.mjs';
import { arePythonPackagesReady, installPythonPackages, installRuff, isRuffReady, ruffPath } from './python-packages.mjs';
import { lockPythonPackages } from './lock-python.mjs';
import { withSetupLock } from './lock.mjs';
import { say } from './talk.mjs';

const npm = { isReady: areNpmPackagesReady, install: installNpmPackages };
const python = { isReady: arePythonPackagesReady, install: installPythonPackages };
const ruff = { isReady: isRuffReady, install: installRuff };

/** Makes the needed steps ready. With nothing to do it only compares stamps; else it works under the folder's lock. */
async function prepare(steps) {
  if (steps.every((step) => step.isReady())) return;
  await withSetupLock(async () => {
    for (const step of steps) {
      // Asked again: the set-up that was waited for may have done it.
      if (step.isReady()) continue;
      checkDiskSpace();
      await step.install();
    }
  });
}

function program(path, steps, firstArgs = []) {
  return async (args) => {
    await prepare(steps);
    return runProgram(inProject(path), [...firstArgs, ...args], { cwd: process.cwd() });
  };
}

/** What the agent does with Claude, at a scripted server. Part of all tests. */
const CLAUDE_TESTS = [
  'test/agent/claude',
  'test/agent/search',
  'test/agent/knowledge',
  'test/agent/roles',
  'test/agent/budget',
  'test/adapters/claude',
];

const bin = (name) => inProject('node_modules', '.bin', name);
const pythonFolders = () => ['agent/python', 'scripts', 'examples', 'bench'].filter((folder) => existsSync(inProject(folder)));

/** Building the storage emulator takes minutes: not for a run of a few named files that have nothing to do with storage. */
function mayNeedFakeGcs(args) {
  const files = args.filter((arg) => !arg.startsWith('-'));
  return files.length === 0 || files.some((file) => /gcs|storage|[*]/.test(file));
}

/** The official Kaggle client proves the stand-in; without it (no network, Python 3.10) its test fails with the reason said here. */
async function installOfficialClient() {
  try {
    await withSetupLock(() => installKaggleCli({ log: say }));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
}

async function runTests(args) {
  await prepare([npm, python]);
  await installOfficialClient();
  const fakeGcs = mayNeedFakeGcs(args) ? await withSetupLock(findOrBuildFakeGcs) : null;
  return runProgram(inProject('scripts/run-tests.ts'), args, fakeGcs === null ? {} : { env: { KAGGLE_AGENT_FAKE_GCS: fakeGcs } });
}

/** Which lines of the core the tests of what runs it reach; fails below the goal in package.json. Killed processes tell nothing. */
async function measureCoverage() {
  await prepare([npm, python]);
  const rooms = ['core', 'functions', 'faults', 'e2e'].map((room) => `test/${room}/**`);
  return runProgram(inProject('node_modules/c8/bin/c8.js'), [nodePath, inProject('scripts/run-tests.ts'), ...rooms]);
}

/** Other people's programs that the cluster suite talks with are installed first. */
async function testCluster(args) {
  await prepare([npm, python]);
  const sdk = { name: 'cloudevents-sdk', lock: 'test/cluster/cloudevents-sdk.lock', minimum: [3, 10], title: 'the CloudEvents SDK' };
  await withSetupLock(() => installLockedEnvironment({ ...sdk, log: say }));
  return runProgram(inProject('scripts/run-tests.ts'), ['--config', 'test/cluster/ava.config.mjs', ...args]);
}

/** The benchmark's sets and peers, each in an environment of its own: the peers cannot share one. */
const BENCH_ENVIRONMENTS = [
  { name: 'bench-sets', lock: 'bench/solver/sets.lock', minimum: [3, 11], title: "the benchmark's data sets" },
  { name: 'bench-autogluon', lock: 'bench/solver/peers/autogluon.lock', minimum: [3, 11], title: 'AutoGluon' },
  { name: 'bench-flaml', lock: 'bench/solver/peers/flaml.lock', minimum: [3, 11], title: 'FLAML' },
];

async function benchSolver(args) {
  await prepare([npm, python]);
  for (const environment of BENCH_ENVIRONMENTS) await withSetupLock(() => installLockedEnvironment({ ...environment, log: say }));
  return runProgram(inProject('bench/solver/main.ts'), args, { cwd: process.cwd() });
}

/** Runs every check, also after one failed, and fails if any did. */
async function runChecks() {
  await prepare([npm, ruff]);
  const checks = [
    ['types', bin('tsc'), ['-p', '.']],
    ['lint', bin('oxlint'), ['--deny-warnings']],
    ['format', bin('prettier'), ['--check', '--log-level=warn', '.']],
    ['Python lint', ruffPath, ['check', '--quiet', '--config', 'agent/python/pyproject.toml', ...pythonFolders()]],
    ['Python format', ruffPath, ['format', '--quiet', '--check', '--config', 'agent/python/pyproject.toml', ...pythonFolders()]],
  ];
  const failed = [];
  for (const [title, command, args] of checks) {
    if ((await runInForeground(command, args)) !== 0) failed.push(title);
  }
  say(failed.length === 0 ? `checks passed: ${checks.map(([title]) => title).join(', ')}` : `checks failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

async function format() {
  await prepare([npm, ruff]);
  const codes = [
    await runInForeground(bin('prettier'), ['--write', '--log-level=warn', '.']),
    await runInForeground(ruffPath, ['check', '--quiet', '--fix', '--config', 'agent/python/pyproject.toml', ...pythonFolders()]),
    await runInForeground(ruffPath, ['format', '--quiet', '--config', 'agent/python/pyproject.toml', ...pythonFolders()]),
  ];
  return Math.max(...codes);
}

/** The storage emulator is needed only for its own image. */
async function buildImages(args) {
  await prepare([npm]);
  const only = args.find((arg, index) => arg.startsWith('--only=') || args[index - 1] === '--only');
  const needsFakeGcs = !args.includes('--help') && (only === undefined || only.includes('gcs'));
  const fakeGcs = needsFakeGcs ? await withSetupLock(findOrBuildFakeGcs) : null;
  return runProgram(inProject('scripts/images/main.ts'), args, fakeGcs === null ? {} : { env: { KAGGLE_AGENT_FAKE_GCS: fakeGcs } });
}

/** Every verb: what it needs is installed first, then it runs and its exit code is returned. */
export const verbs = {
  setup: async () => {
    await prepare([npm, python, ruff]);
    say('ready');
    return 0;
  },
  demo: program('cli/main.ts', [npm, python], ['demo']),
  start: program('local/main.ts', [npm, python]),
  cli: program('cli/main.ts', [npm, python]),
  'bench-plane': program('bench/plane.ts', [npm, python]),
  'bench-cold': program('bench/cold/main.ts', [npm]),
  'bench-sandbox': program('bench/sandbox.ts', [npm, python]),
  'bench-demos': program('bench/demos.ts', [npm, python]),
  'record-claude': program('test/claude-server/main.ts', [npm]),
  'bench-solver': benchSolver,
  'bench-idea': program('bench/idea/main.ts', [npm, python]),
  attack: program('test/attack/main.ts', [npm, python]),
  images: buildImages,
  'images-test': program('test/cluster/image/build.ts', [npm]),
  deploy: program('scripts/deploy/main.ts', [npm]),
  manifests: program('scripts/deploy/manifests.ts', [npm]),
  test: runTests,
  'test-claude': (args) => runTests([...CLAUDE_TESTS, ...args]),
  'test-guards': program('test/guards/main.ts', [npm, python]),
  'test-cluster': testCluster,
  coverage: measureCoverage,
  check: runChecks,
  format,
  lock: () => lockPythonPackages(),
};
