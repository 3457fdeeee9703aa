import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './run-command.mjs';
import { SetupRefusal, say } from './talk.mjs';

const wantedName = 'libgomp.so.1';
const remedy = 'install libgomp (Debian: apt-get install libgomp1) and start again';

/**
 * LightGBM's wheel expects the system's OpenMP library (libgomp), which slim images lack, while scikit-learn's wheel brings one under
 * another name. Where the system has none, gives LightGBM a copy of that one under the name it asks for.
 */
export async function provideOpenMp(pythonPath) {
  const probe = await runCommand(pythonPath, ['-I', '-c', 'import lightgbm']);
  if (probe.ok || !probe.output.includes(wantedName)) return;
  say('this machine has no libgomp: LightGBM gets the copy that scikit-learn brings');
  const { output } = await runCommand(pythonPath, ['-I', '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  const sitePackages = output.trim();
  const bundled = join(sitePackages, 'scikit_learn.libs');
  const original = readdirSync(bundled).find((name) => name.startsWith('libgomp-'));
  if (original === undefined) throw new SetupRefusal(`LightGBM needs ${wantedName}: ${remedy}`);
  writeFileSync(join(sitePackages, 'lightgbm', 'lib', wantedName), renameLibrary(readFileSync(join(bundled, original)), original));
  // Read at every start of this interpreter, before any program: a library that is loaded already is found by its name.
  const line = `import ctypes, os, sysconfig; ctypes.CDLL(os.path.join(sysconfig.get_path('purelib'), 'lightgbm', 'lib', '${wantedName}'), mode=ctypes.RTLD_GLOBAL)`;
  writeFileSync(join(sitePackages, 'kaggle_agent_openmp.pth'), `${line}\n`);
  const again = await runCommand(pythonPath, ['-I', '-c', 'import lightgbm']);
  if (!again.ok) throw new SetupRefusal(`LightGBM needs ${wantedName}: ${remedy}`);
}

/** The same library, calling itself `libgomp.so.1`: the name inside an ELF file may be overwritten by a shorter one. */
function renameLibrary(bytes, original) {
  const copy = Buffer.from(bytes);
  const at = copy.indexOf(`\0${original}\0`);
  if (at === -1) throw new SetupRefusal(`LightGBM needs ${wantedName}: ${remedy}`);
  copy.fill(0, at + 1, at + 1 + original.length);
  copy.write(wantedName, at + 1, 'latin1');
  return copy;
}
