import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import type { BundleEntry } from './entries.ts';
import { SPLIT_PACKAGES } from './entries.ts';
import { keepSourceUrls, SOURCE_URL_BANNER } from './source-urls.ts';
import { renderSplitSource, splitFileName, splitPackages } from './split-packages.ts';
import type { UsedNames } from './split-packages.ts';

/** One written bundle. `eager`: packages that are part of the file itself (`vendor/` files are not). */
export interface Bundle {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly packages: readonly string[];
}

/** Not installed here, and asked for only by options that are not used. */
const NEVER_INSTALLED = ['pg-native'];

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  charset: 'utf8',
  legalComments: 'linked',
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  metafile: true,
  logLevel: 'silent',
  external: NEVER_INSTALLED,
};

/**
 * Writes one CommonJS file per entry into `outDir`, and the heavy packages that they use into `outDir/vendor/`. Throws an Error that names the
 * file and line when something can't be bundled; warnings count as errors.
 */
export async function buildBundles(projectDir: string, entries: readonly BundleEntry[], outDir: string): Promise<Bundle[]> {
  const missing = entries.filter(({ source }) => !existsSync(join(projectDir, source)));
  if (missing.length > 0) throw new Error(`There is no ${missing.map(({ source }) => source).join(' and no ')} to bundle.`);
  const used: UsedNames = new Map();
  const bundles: Bundle[] = [];
  for (const { name, source } of entries) {
    const options: BuildOptions = {
      entryPoints: [{ in: join(projectDir, source), out: name }],
      banner: { js: SOURCE_URL_BANNER },
      plugins: [keepSourceUrls(projectDir), splitPackages(SPLIT_PACKAGES, used)],
    };
    bundles.push(await buildFile(projectDir, outDir, name, `${name}.cjs`, options));
  }
  for (const [packageName, names] of used) {
    const file = splitFileName(packageName);
    const stdin = { contents: renderSplitSource(packageName, names), resolveDir: projectDir, sourcefile: file };
    bundles.push(await buildFile(projectDir, outDir, packageName, file, { stdin, outfile: join(outDir, file), alias: {} }));
  }
  return bundles;
}

async function buildFile(projectDir: string, outDir: string, name: string, file: string, options: BuildOptions): Promise<Bundle> {
  const place: BuildOptions = options.outfile === undefined ? { outdir: outDir, outExtension: { '.js': '.cjs' } } : {};
  const result = await build({ ...COMMON, absWorkingDir: projectDir, ...place, ...options }).catch((error: unknown) => {
    throw new Error(`${name} can't be bundled: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (result.warnings.length > 0) {
    const lines = result.warnings.map(({ text, location }) => `${location?.file ?? ''}:${location?.line ?? ''} ${text}`);
    throw new Error(`${name} can't be bundled without warnings: ${lines.join('; ')}`);
  }
  const inputs = Object.keys(result.metafile?.inputs ?? {});
  const output = Object.entries(result.metafile?.outputs ?? {}).find(([path]) => path.endsWith('.cjs'));
  return { name, file, bytes: output?.[1].bytes ?? 0, packages: listPackages(inputs) };
}

function listPackages(inputs: readonly string[]): string[] {
  const names = inputs.map((input) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}
