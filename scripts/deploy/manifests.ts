import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'prettier';
import { stringify } from 'yaml';
import { PROJECT_DIR } from './options.ts';
import { findRenderer, renderAll } from './render.ts';

/** Writes infra/rendered from the overlays and components. A test fails when it is stale. */
const folder = join(PROJECT_DIR, 'infra/rendered');
const render = findRenderer(process.env);
if (render === null) {
  process.stderr.write(
    'Neither kubectl nor kustomize was found on PATH. Install one of them (https://kubernetes.io/docs/tasks/tools/), then start again.\n',
  );
  process.exit(69);
}
const rendered = await renderAll(render);
await mkdir(folder, { recursive: true });
for (const name of await readdir(folder)) if (!rendered.has(name)) await rm(join(folder, name));
for (const [name, objects] of rendered) {
  const text = `# Made by \`npm run manifests\`: change the sources, not this file.\n${objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n')}`;
  await writeFile(join(folder, name), await format(text, { parser: 'yaml', printWidth: 140, singleQuote: true }));
  process.stdout.write(`infra/rendered/${name}: ${objects.length} objects\n`);
}
