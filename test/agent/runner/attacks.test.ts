import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { createRunnerSandbox } from '#agent/sandbox/runner-sandbox.ts';
import { isAlive, makeOrder, makePlace, startRunner } from './_runner.ts';
import type { Place } from './_runner.ts';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { PYTHON } from '../../_support/python.ts';
import { waitUntil } from '../../_support/wait-until.ts';

const PROBE = fileURLToPath(new URL('probe.py', import.meta.url));
const CANARY = 'canary-5e1f0b';

/** What the probe found, in a run beside which a secret lies: in this process's environment, in a file, in a sibling run's folder. */
async function attack(place: Place, sandbox: Sandbox): Promise<Record<string, unknown>> {
  const secret = join(place.dir, 'labels.csv');
  await writeFile(secret, CANARY);
  const sibling = await makeOrder(place, '# another run');
  await writeFile(join(sibling.trainDir, 'train.csv'), CANARY);
  const secrets = [secret, join(sibling.trainDir, 'train.csv'), sibling.program];
  const untouchables = [join(sibling.outDir, 'x'), join(place.runsDir, 'x'), secret];
  const order = await makeOrder(place, await readFile(PROBE, 'utf8'), { params: { secrets, untouchables, socket: place.socketPath } });
  const outcome = await sandbox.run(order);
  if (outcome.exitClass !== 'ok') throw new Error(`the probe did not end well: ${outcome.exitClass} ${outcome.tail}`);
  return JSON.parse(await readFile(join(order.outDir, 'probe.json'), 'utf8')) as Record<string, unknown>;
}

const NAMES_ALLOWED = ['HOME', 'LANG', 'LC_CTYPE', 'MKL_NUM_THREADS', 'OLDPWD', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PWD'];
const MORE_NAMES_ALLOWED = ['PYTHONDONTWRITEBYTECODE', 'SHLVL', 'TMPDIR', '_'];

function checkFound(t: ExecutionContext, found: Record<string, unknown>): void {
  const { environment, descriptors, socketpair, daemon, suid, ...rest } = found;
  t.deepEqual(
    (environment as string[]).filter((name) => ![...NAMES_ALLOWED, ...MORE_NAMES_ALLOWED].includes(name)),
    [],
  );
  t.deepEqual(descriptors, []);
  t.deepEqual(rest['other processes read'], []);
  t.is(socketpair, 'made', 'a pair stays possible');
  t.true(rest['no new privileges']);
  t.not(suid, 0);
  const tries = Object.entries(rest).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  t.true(tries.length > 55, `${tries.length} tries`);
  // Running /bin/su is allowed; that it gives no rights is what counts.
  const open = tries.filter(([name, result]) => name !== 'a set-user-id program' && !/^(refused|absent): /.test(result));
  t.deepEqual(open, []);
  t.notRegex(JSON.stringify(found), new RegExp(CANARY));
  t.true(typeof daemon === 'number' && daemon > 1);
}

async function checkDaemon(found: Record<string, unknown>): Promise<void> {
  const daemon = Number(found['daemon']);
  await waitUntil('the end of the daemon', async () => (isAlive(daemon) ? null : true), 1_000);
}

test.serial('a program in the runner container can do none of what it must not, and its daemon is gone after it', async (t) => {
  const place = await makePlace(t);
  process.env['KAGGLE_AGENT_TEST_CANARY'] = CANARY;
  t.teardown(() => delete process.env['KAGGLE_AGENT_TEST_CANARY']);
  startRunner(t, place);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  t.is(sandbox.tier, 'isolated');
  const found = await attack(place, sandbox);
  checkFound(t, found);
  await checkDaemon(found);
});

test.serial('the same on one machine, in the confined process sandbox', async (t) => {
  const place = await makePlace(t);
  const { confinement, problems } = await probeConfinement(PYTHON);
  t.deepEqual(problems, []);
  // Numbers of processes are compared: without a namespace of their own.
  const sandbox = createProcessSandbox(PYTHON, confinement === null ? null : { ...confinement, bubblewrap: null });
  t.is(sandbox.tier, 'isolated');
  const found = await attack(place, sandbox);
  checkFound(t, found);
  await checkDaemon(found);
});

test.serial('without confinement the same probe finds open doors: it can tell', async (t) => {
  const place = await makePlace(t);
  const found = await attack(place, createProcessSandbox(PYTHON));
  for (const name of [
    'UDP',
    'NETLINK',
    `read ${join(place.dir, 'labels.csv')}`,
    'write /tmp/kaggle-agent-probe',
    'inotify_init1',
    'signal the parent',
  ]) {
    t.regex(String(found[name]), /^OPEN/, name);
  }
  const daemon = Number(found['daemon']);
  t.true(isAlive(daemon), 'a session of its own leaves the group');
  process.kill(daemon, 'SIGKILL');
});
