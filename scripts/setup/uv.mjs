import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { inProject, setupDir } from './places.mjs';
import { runCommand } from './run-command.mjs';
import { hashInputs, isStamped, writeStamp } from './stamps.mjs';

const step = 'uv';
const uvDir = join(setupDir, 'uv');
const uvLock = inProject('scripts', 'python', 'uv.lock');

const hashedInstall = ['install', '--quiet', '--disable-pip-version-check', '--only-binary', ':all:', '--require-hashes', '-r'];

/**
 * Installs uv at its pinned version, checked by hash: into an environment of its own, else (no ensurepip, as on a bare Debian) with
 * `pip --target`. Returns `{uv, fault}`: the path, or null and why, and then pip does the work.
 */
export async function bootstrapUv(python) {
  const hash = hashInputs([uvLock], [python.executable]);
  const candidates = [join(uvDir, 'venv', 'bin', 'uv'), join(uvDir, 'target', 'bin', 'uv')];
  const present = () => candidates.find((path) => existsSync(path)) ?? null;
  if (isStamped(step, hash) && present() !== null) return { uv: present(), fault: '' };
  rmSync(uvDir, { recursive: true, force: true });
  let attempt = await runCommand(python.executable, ['-m', 'venv', join(uvDir, 'venv')]);
  if (attempt.ok) {
    attempt = await runCommand(join(uvDir, 'venv', 'bin', 'python'), ['-m', 'pip', ...hashedInstall, uvLock]);
  } else {
    attempt = await runCommand(python.executable, ['-m', 'pip', ...hashedInstall, uvLock, '--target', join(uvDir, 'target')]);
  }
  const uv = attempt.ok ? present() : null;
  if (uv !== null) writeStamp(step, hash);
  return { uv, fault: attempt.output };
}

/** The package index that pip is configured with, for uv, which does not read pip's settings. Empty when pip uses its default. */
export async function readPipIndexForUv(python) {
  if (process.env.UV_DEFAULT_INDEX || process.env.UV_INDEX_URL) return {};
  const { ok, output } = await runCommand(python.executable, ['-m', 'pip', 'config', 'list'], { timeoutMs: 30_000 });
  const match = ok ? /index-url='([^']+)'/.exec(output.replaceAll(/extra-index-url='[^']*'/g, '')) : null;
  return match === null ? {} : { UV_DEFAULT_INDEX: match[1] };
}
