import test from 'ava';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { createForkServer } from '#agent/sandbox/fork-server.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { weakenSandbox } from './layers.ts';
import type { Layer } from './layers.ts';
import { makeLocalPlace } from './place.ts';
import { runArchives } from './archives.ts';
import { runEndings, runTries } from './programs-suite.ts';
import { runStrangers } from './strangers.ts';
import { runTables } from './tables.ts';
import { PYTHON } from '../_support/python.ts';

const { confinement } = await probeConfinement(PYTHON);
if (confinement === null) throw new Error('this machine has no seccomp or no Landlock: the attacks cannot be tested here');

for (const without of confinement.bubblewrap === null ? [[]] : [[], ['bubblewrap'] as Layer[]]) {
  const tier = without.length === 0 && confinement.bubblewrap !== null ? 'in bubblewrap' : 'under seccomp and Landlock';
  test.serial(`no program gets through ${tier}, and two runs at once tell each other nothing`, async (t) => {
    t.timeout(240_000);
    const place = await makeLocalPlace();
    t.teardown(async () => place.close());
    const sandbox = await weakenSandbox(place.folders.agentDir, confinement, without);
    const results = [...(await runTries(sandbox, place)), ...(await runStrangers(sandbox, place))];
    t.true(results.length > 80, `${results.length} attacks`);
    t.deepEqual(
      results.filter(({ through }) => through),
      [],
    );
  });
}

test.serial('no program gets through in a run of the fork server, and two of them at once tell each other nothing', async (t) => {
  t.timeout(240_000);
  const place = await makeLocalPlace();
  const forkServer = createForkServer(PYTHON, (threads) => ({ LANG: 'C.UTF-8', OMP_NUM_THREADS: threads }));
  t.teardown(async () => {
    await forkServer.close();
    await place.close();
  });
  const sandbox = await weakenSandbox(place.folders.agentDir, confinement, ['bubblewrap'], forkServer);
  const results = [...(await runTries(sandbox, place)), ...(await runEndings(sandbox, place)), ...(await runStrangers(sandbox, place))];
  t.true(results.length > 90, `${results.length} attacks`);
  t.deepEqual(
    results.filter(({ through }) => through),
    [],
  );
});

test.serial('the attacks can succeed: without any confinement most channels between two runs are open', async (t) => {
  t.timeout(240_000);
  const place = await makeLocalPlace();
  t.teardown(async () => place.close());
  const [result] = await runStrangers(createProcessSandbox(PYTHON), place);
  for (const channel of [
    'abstract unix socket',
    'UDP on loopback',
    'System V shared memory',
    'files in /tmp',
    'locks on a shared file',
    'names of processes',
  ]) {
    t.true(result?.stoppedBy.includes(channel), `${channel}: ${result?.stoppedBy}`);
  }
});

test.serial('no hostile archive, answer or table is taken', async (t) => {
  t.timeout(240_000);
  const place = await makeLocalPlace();
  t.teardown(async () => place.close());
  const results = [...(await runArchives(place)), ...(await runTables(place))];
  t.true(results.length > 40);
  t.deepEqual(
    results.filter(({ through }) => through),
    [],
  );
});
