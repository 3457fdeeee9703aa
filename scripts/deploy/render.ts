import { execFile } from 'node:child_process';
import { mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { PROJECT_DIR } from './options.ts';
import { findOnPath } from './kubectl.ts';

const execute = promisify(execFile);

/** A Kubernetes object, of which only the part that every object has is known. */
export const Manifest = z
  .object({ apiVersion: z.string(), kind: z.string(), metadata: z.object({ name: z.string(), namespace: z.string().optional() }).loose() })
  .loose();
export type Manifest = z.infer<typeof Manifest>;

/** Turns a kustomization's folder into objects. */
export type Renderer = (dir: string) => Promise<Manifest[]>;

/** kubectl's or kustomize's own renderer, whichever is there; null when neither is. */
export function findRenderer(env: Readonly<Record<string, string | undefined>>): Renderer | null {
  const kubectl = env['KUBECTL'] ?? findOnPath('kubectl', env);
  const kustomize = findOnPath('kustomize', env);
  const command = kubectl !== null ? [kubectl, 'kustomize'] : kustomize !== null ? [kustomize, 'build'] : null;
  const [program, verb] = command ?? [];
  if (program === undefined || verb === undefined) return null;
  return async (dir) => {
    const { stdout } = await execute(program, [verb, dir], { maxBuffer: 64 * 1024 * 1024 });
    return parseManifests(stdout);
  };
}

/** The objects of a YAML text with any number of documents. Throws an Error with the place of the first mistake. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value: unknown = document.toJS();
    return value === null ? [] : [Manifest.parse(value)];
  });
}

/**
 * All that is committed under infra/rendered, by file name: each overlay, and for each component what it adds to the overlay `production` or
 * changes in it.
 */
export async function renderAll(render: Renderer): Promise<ReadonlyMap<string, Manifest[]>> {
  const rendered = new Map<string, Manifest[]>();
  for (const name of await listFolders('infra/overlays'))
    rendered.set(`overlay-${name}.yaml`, await render(join(PROJECT_DIR, 'infra/overlays', name)));
  const production = rendered.get('overlay-production.yaml') ?? [];
  for (const name of await listFolders('infra/components')) {
    const all = await renderComponent(render, name);
    rendered.set(
      `component-${name}.yaml`,
      all.filter((object) => !production.some((before) => isDeepStrictEqual(before, object))),
    );
  }
  return rendered;
}

async function renderComponent(render: Renderer, name: string): Promise<Manifest[]> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'kaggle-agent-render-')));
  try {
    const place = (path: string) => relative(dir, join(PROJECT_DIR, path));
    const kustomization = { resources: [place('infra/overlays/production')], components: [place(`infra/components/${name}`)] };
    await writeFile(join(dir, 'kustomization.yaml'), stringify(kustomization));
    return await render(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function listFolders(path: string): Promise<string[]> {
  const entries = await readdir(join(PROJECT_DIR, path), { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted();
}

/** Names an object for people: `Role runs/collector`. */
export function nameManifest({ kind, metadata }: Manifest): string {
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
}
