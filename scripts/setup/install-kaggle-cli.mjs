// Make .setup/kaggle-cli, a Python environment with the official `kaggle` client, from its hashed lock. Run by the set-up for tests, or by
// hand: node scripts/setup/install-kaggle-cli.mjs. Dependency-free; does nothing when the environment is already made from this lock.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const lockPath = join(root, 'local/kaggle/official-client.lock');
const target = join(root, '.setup/kaggle-cli');
const MINIMUM = [3, 11];
const CANDIDATES = [process.env.KAGGLE_AGENT_PYTHON, 'python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11'].filter(Boolean);

/** Install the client unless it is there; resolves with the path of its executable, rejects with one line that says what is missing. */
export async function installKaggleCli({ log = (line) => process.stderr.write(`${line}\n`) } = {}) {
  const executable = join(target, 'bin/kaggle');
  const stampPath = join(target, '.lock-sha256');
  const stamp = createHash('sha256').update(readFileSync(lockPath)).digest('hex');
  if (existsSync(executable) && existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp) return executable;
  const python = await findPython();
  log('kaggle client: installing from its lock');
  // A console script names its interpreter by path, so the environment is made where it will stay; the stamp, written last, says it is whole.
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  await run(python, ['-m', 'venv', target], 'python3 -m venv failed (on Debian: apt-get install python3-venv)');
  const pip = [
    join(target, 'bin/python'),
    '-m',
    'pip',
    '--quiet',
    '--disable-pip-version-check',
    'install',
    '--require-hashes',
    '--only-binary',
    ':all:',
    '-r',
    lockPath,
  ];
  await run(pip[0], pip.slice(1), 'pip could not install the official kaggle client');
  writeFileSync(`${stampPath}.new`, stamp);
  renameSync(`${stampPath}.new`, stampPath);
  return executable;
}

async function findPython() {
  for (const candidate of CANDIDATES) {
    const version = await run(candidate, ['-c', 'import sys; print(sys.version_info[0], sys.version_info[1])'], '').catch(() => '');
    const [major = 0, minor = 0] = version.trim().split(' ').map(Number);
    if (major === MINIMUM[0] && minor >= MINIMUM[1]) return candidate;
  }
  throw new Error(`The official kaggle client needs Python ${MINIMUM.join('.')} or newer. Install it, or name it in KAGGLE_AGENT_PYTHON.`);
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

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    process.stdout.write(`${await installKaggleCli()}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
