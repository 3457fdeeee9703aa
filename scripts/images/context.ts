import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { existsSync } from 'node:fs';
import type { Bundle } from './bundle.ts';
import { buildBundles } from './bundle.ts';
import type { ImageName } from './entries.ts';
import { IMAGE_ENTRIES, IMAGE_FILES } from './entries.ts';

/** Name of the bucket that the storage emulator starts with. */
const DEV_BUCKET = 'kaggle-agent-dev';
const LEFT_OUT = new Set(['__pycache__', '.ruff_cache', '.DS_Store']);

export interface ContextOptions {
  readonly projectDir: string;
  readonly image: ImageName;
  readonly outDir: string;
  /** Other images for the bases that the Dockerfile names: `debian` → `mirror.example/debian:bookworm-slim`. */
  readonly bases: ReadonlyMap<string, string>;
  /** Programs whose source is not there yet are left out instead of ending the build. */
  readonly allowMissing: boolean;
  /** Where the storage emulator's program is; only for `gcs`. */
  readonly fakeGcs: string | null;
}

/**
 * Writes a complete build context for one image into `outDir` (emptied first): the Dockerfile and exactly the files that it copies, readable by
 * every user. Nothing else of the working tree can get into an image. Returns the bundles in it.
 */
export async function writeContext(options: ContextOptions): Promise<Bundle[]> {
  const { projectDir, image, outDir, bases } = options;
  const source = join(projectDir, 'infra/images');
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await writeFile(join(outDir, 'Dockerfile'), replaceBases(await readFile(join(source, image, 'Dockerfile'), 'utf8'), bases));
  const bundles = await writeApp(options);
  if (image === 'functions' || image === 'agent') await cp(join(source, 'warm.mjs'), join(outDir, 'warm.mjs'));
  if (image === 'postgres') await cp(join(source, 'postgres/start.sh'), join(outDir, 'start.sh'));
  if (image === 'gcs') await addEmulator(options.fakeGcs, outDir);
  await normaliseModes(outDir);
  return bundles;
}

async function writeApp({ projectDir, image, outDir, allowMissing }: ContextOptions): Promise<Bundle[]> {
  const entries = IMAGE_ENTRIES[image].filter(({ source }) => !allowMissing || existsSync(join(projectDir, source)));
  if (entries.length === 0) return [];
  const app = join(outDir, 'app');
  const bundles = await buildBundles(projectDir, entries, app);
  for (const path of [...IMAGE_FILES[image], 'LICENSE']) {
    await cp(join(projectDir, path), join(app, path), {
      recursive: true,
      dereference: true,
      filter: (from) => !LEFT_OUT.has(basename(from)),
    });
  }
  return bundles;
}

async function addEmulator(program: string | null, outDir: string): Promise<void> {
  if (program === null)
    throw new Error('The image gcs needs a fake-gcs-server: set KAGGLE_AGENT_FAKE_GCS, install Go, or leave it out (--only).');
  await cp(program, join(outDir, 'fake-gcs-server'), { dereference: true });
  await mkdir(join(outDir, 'preload', DEV_BUCKET), { recursive: true });
}

/** Git keeps no modes but "executable", and a strict umask would make files that the image's user can't read. */
export async function normaliseModes(outDir: string): Promise<void> {
  await chmod(outDir, 0o755);
  for (const entry of await readdir(outDir, { recursive: true, withFileTypes: true })) {
    const isProgram = entry.isDirectory() || entry.name === 'fake-gcs-server' || entry.name.endsWith('.sh');
    await chmod(join(entry.parentPath, entry.name), isProgram ? 0o755 : 0o644);
  }
}

/** Puts other base images into the FROM lines of a Dockerfile. `bases` is by repository (`node`); stages and other images stay. */
export function replaceBases(dockerfile: string, bases: ReadonlyMap<string, string>): string {
  return dockerfile.replaceAll(/^FROM ([^\s:]+):(\S+)/gm, (line, repository: string) => {
    const base = bases.get(repository);
    return base === undefined ? line : `FROM ${base}`;
  });
}

/** Reads KAGGLE_AGENT_IMAGE_BASES: pairs `repository=IMAGE`, separated by spaces. Throws an Error that names the wrong pair. */
export function readBases(text: string): Map<string, string> {
  const pairs = text.split(/\s+/).filter((word) => word !== '');
  return new Map(
    pairs.map((pair) => {
      const [, name, image] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
      if (name === undefined || image === undefined) throw new Error(`KAGGLE_AGENT_IMAGE_BASES: ${pair} is not of the form node=IMAGE.`);
      return [name, image];
    }),
  );
}
