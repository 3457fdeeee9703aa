import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findPython } from './find-python.mjs';
import { provideOpenMp } from './openmp.mjs';
import { inProject, pythonPath, setupDir } from './places.mjs';
import { explainDownloadFault, runCommand } from './run-command.mjs';
import { hashInputs, isStamped, removeStamp, writeStamp } from './stamps.mjs';
import { SetupRefusal, runTimedStep } from './talk.mjs';
import { bootstrapUv, readPipIndexForUv } from './uv.mjs';

const step = 'python-packages';
const lockFile = inProject('agent', 'python', 'requirements.lock');
const venvDir = inProject('.venv');
const ruffDir = join(setupDir, 'ruff');
const ruffLock = inProject('scripts', 'python', 'dev.lock');

// The machine's own certificates, as pip uses them: a company's proxy has one of its own.
const uvSettings = { UV_PYTHON_DOWNLOADS: 'never', UV_NO_CONFIG: '1', UV_NATIVE_TLS: '1' };

const chosenPython = () => process.env.KAGGLE_AGENT_PYTHON ?? '';
const currentHash = () => hashInputs([lockFile], [chosenPython()]);
const ruffHash = () => hashInputs([ruffLock]);

/** The pinned Python linter and formatter. */
export const ruffPath = join(ruffDir, 'bin', 'ruff');

/** Whether `.venv` holds the locked packages. Follows the interpreter's link, so a Python that was removed since is noticed. */
export function arePythonPackagesReady() {
  return isStamped(step, currentHash()) && existsSync(pythonPath);
}

/** Whether the pinned ruff is installed. */
export function isRuffReady() {
  return isStamped('ruff', ruffHash()) && existsSync(ruffPath);
}

/** Makes `.venv` from the hashed lock: by uv, else by pip. */
export async function installPythonPackages() {
  removeStamp(step);
  const python = await findPython();
  await runTimedStep(`Python packages for Python ${python.version} (about a minute)`, async () => {
    rmSync(venvDir, { recursive: true, force: true });
    const { uv, fault } = await bootstrapUv(python);
    if (uv === null || !(await installWithUv(uv, python))) await installWithPip(python, fault);
    await provideOpenMp(pythonPath);
    await checkImports();
  });
  writeStamp(step, currentHash());
}

async function installWithUv(uv, python) {
  const env = { ...(await readPipIndexForUv(python)), ...uvSettings };
  const made = await runCommand(uv, ['venv', '--quiet', '--python', python.executable, venvDir], { env });
  if (!made.ok) return false;
  // Compiled now: the sandbox sees these files read-only and would otherwise compile them again in every run.
  const args = [
    'pip',
    'install',
    '--quiet',
    '--python',
    pythonPath,
    '--no-build',
    '--compile-bytecode',
    '--require-hashes',
    '-r',
    lockFile,
  ];
  return (await runCommand(uv, args, { env })).ok;
}

async function installWithPip(python, uvFault) {
  rmSync(venvDir, { recursive: true, force: true });
  const made = await runCommand(python.executable, ['-m', 'venv', venvDir]);
  if (!made.ok && /ensurepip|No module named venv/.test(made.output)) {
    throw new SetupRefusal(
      `Python ${python.version} at ${python.executable} cannot make environments (ensurepip is missing): install it (Debian: apt-get install python3-venv) and start again`,
    );
  }
  if (!made.ok) throw new SetupRefusal(`python -m venv failed: ${explainDownloadFault(made.output)}`);
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--only-binary',
    ':all:',
    '--require-hashes',
    '-r',
    lockFile,
  ];
  const installed = await runCommand(pythonPath, args);
  if (!installed.ok) throw new SetupRefusal(`pip install failed: ${explainDownloadFault(installed.output || uvFault)}`);
}

async function checkImports() {
  const program = 'import numpy, pandas, scipy, sklearn, pyarrow, lightgbm, xgboost';
  const { ok, output } = await runCommand(pythonPath, ['-I', '-c', program]);
  if (!ok) throw new SetupRefusal(`the Python packages do not load: ${output.trim().split('\n').at(-1)}`);
}

/** Installs the pinned ruff beside the project's environment: solutions have no use for it. */
export async function installRuff() {
  removeStamp('ruff');
  const python = await findPython();
  await runTimedStep('ruff, the Python linter', async () => {
    rmSync(ruffDir, { recursive: true, force: true });
    const { uv } = await bootstrapUv(python);
    const hashed = ['--quiet', '--require-hashes', '-r', ruffLock, '--target', ruffDir];
    const env = { ...(await readPipIndexForUv(python)), ...uvSettings };
    const withUv = () => runCommand(uv, ['pip', 'install', '--python', python.executable, '--no-build', ...hashed], { env });
    const withPip = () => runCommand(python.executable, ['-m', 'pip', 'install', '--only-binary', ':all:', ...hashed]);
    const tried = uv === null ? null : await withUv();
    const result = tried?.ok === true ? tried : await withPip();
    if (!result.ok) throw new SetupRefusal(`ruff could not be installed: ${explainDownloadFault(result.output)}`);
  });
  writeStamp('ruff', ruffHash());
}
