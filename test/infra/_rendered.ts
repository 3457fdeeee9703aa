import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../scripts/deploy/render.ts';
import { PROJECT_DIR } from '../../scripts/deploy/options.ts';
import { parseManifests } from '../../scripts/deploy/render.ts';

export const RENDERED_DIR = join(PROJECT_DIR, 'infra/rendered');

/** What is committed under infra/rendered, by file name. */
export function readRendered(): ReadonlyMap<string, Manifest[]> {
  const names = readdirSync(RENDERED_DIR).filter((name) => name.endsWith('.yaml'));
  return new Map(names.map((name) => [name, parseManifests(readFileSync(join(RENDERED_DIR, name), 'utf8'))]));
}

/** Whole installations: each overlay, and `production` with each component put over it. */
export function readInstallations(): ReadonlyMap<string, Manifest[]> {
  const rendered = readRendered();
  const production = rendered.get('overlay-production.yaml') ?? [];
  return new Map(
    [...rendered].map(([name, objects]) => {
      if (name.startsWith('overlay-')) return [name, objects];
      const changed = new Map(objects.map((object) => [identify(object), object]));
      return [name, [...production.filter((object) => !changed.has(identify(object))), ...objects]];
    }),
  );
}

function identify({ apiVersion, kind, metadata }: Manifest): string {
  return [apiVersion, kind, metadata.namespace ?? '', metadata.name].join('/');
}
