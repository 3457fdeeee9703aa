import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { buildBundles } from '../../scripts/images/bundle.ts';
import { IMAGE_ENTRIES, IMAGE_NAMES } from '../../scripts/images/entries.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

for (const image of IMAGE_NAMES.filter((name) => IMAGE_ENTRIES[name].length > 0)) {
  test(`the programs of the image ${image} can be bundled`, async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'bundles-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const bundles = await buildBundles(PROJECT, IMAGE_ENTRIES[image], dir);
    t.true(bundles.length >= IMAGE_ENTRIES[image].length);
    // Heavy packages lie beside the bundle, and are evaluated when they are used.
    for (const { name, packages } of bundles.filter((bundle) => IMAGE_ENTRIES[image].some((entry) => entry.name === bundle.name))) {
      t.false(packages.includes('@anthropic-ai/sdk') || packages.includes('@google-cloud/storage'), name);
    }
  });
}
