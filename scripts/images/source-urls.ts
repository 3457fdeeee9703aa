import { readFile } from 'node:fs/promises';
import { dirname, relative, sep } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Put before every bundle. `import.meta.url` of a source file becomes the place that the file would have if the project's folder were the
 * bundle's folder: what a program finds beside its source, it finds under the same path beside the bundle.
 */
export const SOURCE_URL_BANNER = [
  `const __sourceUrl = (path) => require('node:url').pathToFileURL(require('node:path').join(__dirname, path)).href;`,
  `const __sourceDir = (path) => require('node:path').join(__dirname, path);`,
].join(' ');

/** An esbuild plugin that keeps `import.meta.url` and `import.meta.dirname` of the project's own files working in a CommonJS bundle. */
export function keepSourceUrls(projectDir: string): Plugin {
  return {
    name: 'keep-source-urls',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const place = relative(projectDir, path).split(sep).join('/');
        if (place.startsWith('..') || place.includes('node_modules/')) return null;
        const source = await readFile(path, 'utf8');
        if (!source.includes('import.meta.')) return null;
        const contents = source
          .replaceAll('import.meta.url', `__sourceUrl(${JSON.stringify(place)})`)
          .replaceAll('import.meta.dirname', `__sourceDir(${JSON.stringify(dirname(place))})`);
        return { contents, loader: 'ts' };
      });
    },
  };
}
