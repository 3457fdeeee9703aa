// Make .setup/<name>, a Python environment with exactly what a hashed lock names. Dependency-free.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const CANDIDATES = [
  process.env.KAGGLE_AGENT_PYTHON,
  'python3',
  'python3.14',
  'python3.13',
  'python3.12',
  'python3.11',
  'python3.10',
].filter(Boolean);

/**
 * Install the packages unless they are there, for a Python of at least `minimum` ([3, 11]). Resolves with the environment's folder; rejects with
 * one line that says what is missing. `title` is what messages call it.
 */
export async function installLockedEnvironment({ name, lock, minimum, title, log }) {
  const target = join(root, '.setup', name);
  const lockPath = join(root, lock);
  const stampPath = join(target, '.lock-sha256');
  const stamp = createHash('sha256').update(readFileSync(lockPath)).digest('hex');
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp) return target;
  const python = await findPython(minimum, title);
  log(`${title}: installing from its lock`);
  // A console script names its interpreter by path, so the environment is made where it will stay; the stamp, written last, says it is whole.
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  await run(python, ['-m', 'venv', target], 'python3 -m venv failed (on Debian: apt-get install python3-venv)');
  const options = ['--quiet', '--disable-pip-version-check', 'install', '--require-hashes', '--only-binary', ':all:', '-r', lockPath];
  await run(join(target, 'bin/python'), ['-m', 'pip', ...options], `pip could not install ${title}`);
  writeFileSync(`${stampPath}.new`, stamp);
  renameSync(`${stampPath}.new`, stampPath);
  return target;
}

async function findPython(minimum, title) {
  for (const candidate of CANDIDATES) {
    const version = await run(candidate, ['-c', 'import sys; print(sys.version_info[0], sys.version_info[1])'], '').catch(() => '');
    const [major = 0, minor = 0] = version.trim().split(' ').map(Number);
    if (major === minimum[0] && minor >= minimum[1]) return candidate;
  }
  throw new Error(`${title} needs Python ${minimum.join('.')} or newer. Install it, or name it in KAGGLE_AGENT_PYTHON.`);
}

function run(command, args, whatFailed) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.once('error', (error) => fail(new Error(`${whatFailed}: ${error.message}`)));
    child.once('close', (code) => {
      const lastLine = stderr.trim().split('\n').at(-1) ?? '';
      if (code === 0) done(stdout);
      else fail(new Error(`${whatFailed}: ${lastLine}`));
    });
  });
}
