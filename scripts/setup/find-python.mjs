import { runCommand } from './run-command.mjs';
import { SetupRefusal } from './talk.mjs';

const oldestMinor = 10;
// The versions that the lock was installed and imported on; newer ones are tried last.
const newestTriedMinor = 13;

const question =
  'import sys, sysconfig; print(sys.implementation.name, sys.version_info[0], sys.version_info[1], int(sys.maxsize > 2**32), sys.executable, sep="|")';

async function askPython(command) {
  const { ok, output } = await runCommand(command, ['-I', '-c', question], { timeoutMs: 20_000 });
  if (!ok) return null;
  const [implementation, major, minor, is64Bit, executable] = output.trim().split('\n').at(-1).split('|');
  return {
    isUsable: implementation === 'cpython' && major === '3' && is64Bit === '1',
    minor: Number(minor),
    executable,
    version: `${major}.${minor}`,
  };
}

/** Finds a Python 3.10 or newer: `KAGGLE_AGENT_PYTHON`, else `python3`, else `python3.13` … `python3.10`. Returns `{executable, version}`. */
export async function findPython() {
  const chosen = process.env.KAGGLE_AGENT_PYTHON;
  if (chosen) {
    const python = await askPython(chosen);
    if (python?.isUsable && python.minor >= oldestMinor) return python;
    const found = python === null ? 'does not run' : `is Python ${python.version}`;
    throw new SetupRefusal(`KAGGLE_AGENT_PYTHON=${chosen} ${found}: point it to a CPython 3.${oldestMinor} or newer`);
  }
  const names = ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', '/usr/bin/python3', 'python3.14'];
  let fallback = null;
  const seen = [];
  for (const name of names) {
    const python = await askPython(name);
    if (python === null) continue;
    seen.push(python.version);
    if (!python.isUsable || python.minor < oldestMinor) continue;
    if (python.minor <= newestTriedMinor) return python;
    fallback ??= python;
  }
  if (fallback !== null) return fallback;
  const found = seen.length === 0 ? 'no python3 was found' : `only Python ${[...new Set(seen)].join(', ')} was found`;
  throw new SetupRefusal(
    `Python 3.${oldestMinor} or newer is missing (${found}): install it (Debian: apt-get install python3 python3-venv) or set KAGGLE_AGENT_PYTHON to its path`,
  );
}
