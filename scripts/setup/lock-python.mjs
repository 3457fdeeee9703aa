import { dirname } from 'node:path';
import { findPython } from './find-python.mjs';
import { inProject } from './places.mjs';
import { lastUsefulLine, runCommand } from './run-command.mjs';
import { SetupRefusal, runTimedStep } from './talk.mjs';
import { bootstrapUv } from './uv.mjs';

const lists = [
  { path: 'agent/python/requirements' },
  { path: 'scripts/python/dev' },
  { path: 'scripts/python/uv' },
  { path: 'test/cluster/cloudevents-sdk' },
  { path: 'bench/solver/sets', minimum: '3.11' },
  { path: 'bench/solver/peers/autogluon', minimum: '3.11' },
  { path: 'bench/solver/peers/flaml', minimum: '3.11' },
];

/** Resolves the Python requirements anew, for every Python from 3.10 on and every platform, into lock files with hashes. For developers. */
export async function lockPythonPackages() {
  const { uv, fault } = await bootstrapUv(await findPython());
  if (uv === null) throw new SetupRefusal(`uv could not be installed: ${lastUsefulLine(fault)}`);
  for (const { path: list, minimum = '3.10' } of lists) {
    await runTimedStep(`${list}.lock`, async () => {
      const options = ['--universal', '--python-version', minimum, '--generate-hashes', '--quiet', '--upgrade'];
      const label = ['--custom-compile-command', 'node setup.mjs lock'];
      const path = inProject(list);
      const args = ['pip', 'compile', ...options, ...label, `${path}.in`, '-o', `${path}.lock`];
      const result = await runCommand(uv, args, { cwd: dirname(path) });
      if (!result.ok) throw new SetupRefusal(`${list}.in cannot be resolved: ${lastUsefulLine(result.output)}`);
    });
  }
  return 0;
}
