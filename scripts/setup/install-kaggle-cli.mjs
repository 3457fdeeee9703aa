// Make .setup/kaggle-cli, a Python environment with the official `kaggle` client, from its hashed lock. Run by the set-up for tests, or by
// hand: node scripts/setup/install-kaggle-cli.mjs. Dependency-free; does nothing when the environment is already made from this lock.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installLockedEnvironment } from './locked-environment.mjs';

/** Install the client unless it is there; resolves with the path of its executable, rejects with one line that says what is missing. */
export async function installKaggleCli({ log = (line) => process.stderr.write(`${line}\n`) } = {}) {
  const title = 'the official kaggle client';
  const lock = 'local/kaggle/official-client.lock';
  return join(await installLockedEnvironment({ name: 'kaggle-cli', lock, minimum: [3, 11], title, log }), 'bin/kaggle');
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${await installKaggleCli()}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
