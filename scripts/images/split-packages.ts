import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

/** Which names of which package the bundles import; filled while they are built. */
export type UsedNames = Map<string, Set<string>>;

const IMPORT_LINE = /^import (type )?\{([^}]*)\} from '([^']+)';/gm;

/** File name of a split package, beside the bundles: `@google-cloud/storage` → `vendor/google-cloud-storage.cjs`. */
export function splitFileName(packageName: string): string {
  return `vendor/${packageName.replace(/^@/, '').replaceAll('/', '-')}.cjs`;
}

/**
 * An esbuild plugin that leaves heavy packages out of the bundles: they are required from `vendor/` when the module that imports them is first
 * evaluated. Only packages are split off, so no class of ours exists twice. Notes the imported names, so that the rest can be shaken off.
 */
export function splitPackages(packages: readonly string[], used: UsedNames): Plugin {
  return {
    name: 'split-packages',
    setup(build) {
      build.onResolve({ filter: /^[^./#]/ }, async ({ path, importer, kind }) => {
        if (!packages.includes(path)) return null;
        if (kind !== 'import-statement') {
          return {
            errors: [{ text: `${path} is imported by ${kind}: import it by name in a module of its own, and import that dynamically` }],
          };
        }
        for (const name of await readImportedNames(importer, path)) noteName(used, path, name);
        return { path: `./${splitFileName(path)}`, external: true };
      });
    },
  };
}

function noteName(used: UsedNames, packageName: string, name: string): void {
  used.set(packageName, (used.get(packageName) ?? new Set()).add(name));
}

/** Names in `import { A, type B, C as D } from 'package'`. Throws for other forms: they would keep the whole package. */
async function readImportedNames(file: string, packageName: string): Promise<string[]> {
  const source = await readFile(file, 'utf8');
  const names: string[] = [];
  for (const [, typeOnly, list, from] of source.matchAll(IMPORT_LINE)) {
    if (from !== packageName || typeOnly !== undefined) continue;
    const words = (list ?? '').split(',').map((word) => word.trim());
    names.push(...words.filter((word) => word !== '' && !word.startsWith('type ')).map((word) => word.split(' ')[0] ?? word));
  }
  if (names.length === 0) throw new Error(`${file} imports ${packageName} in a form other than: import { Name } from '${packageName}';`);
  return names;
}

/** Source of a split package's bundle: only the names in use. */
export function renderSplitSource(packageName: string, names: ReadonlySet<string>): string {
  return `export { ${[...names].sort().join(', ')} } from ${JSON.stringify(packageName)};\n`;
}
