import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Builder } from './builders.ts';
import { findBuilder, findKindCluster, loadIntoKind } from './builders.ts';
import { IMAGE_NAMES } from './entries.ts';
import type { ImageName } from './entries.ts';
import { readBases, writeContext } from './context.ts';

const HELP = `Builds the container images and loads them into the cluster.

  node setup.mjs images [options]

  --only functions,agent,…   some of: ${IMAGE_NAMES.join(', ')}
  --tag TAG                  default: dev
  --prefix PREFIX            put before each name; default: dev.local/kaggle-agent-
  --load auto|kind|none      auto: into kind where a kind cluster is there
  --contexts DIR             only write the build contexts: DIR/<image>/ with a Dockerfile each
  --allow-missing            leave out programs whose source is not there

  KAGGLE_AGENT_IMAGE_BUILDER  a program that builds and loads: called as PROGRAM NAME FOLDER
  KAGGLE_AGENT_IMAGE_BASES    other bases, as in "node=mirror.example/node:24-slim debian=mirror.example/debian:bookworm-slim"
  KIND_CLUSTER_NAME           which kind cluster
`;

interface Options {
  readonly images: readonly ImageName[];
  readonly tag: string;
  readonly prefix: string;
  readonly load: 'auto' | 'kind' | 'none';
  readonly contextsDir: string | null;
  readonly allowMissing: boolean;
}

interface BuiltImage {
  readonly name: string;
  readonly size_bytes: number | null;
  readonly seconds: number;
  readonly loaded: boolean;
}

const projectDir = resolve(import.meta.dirname, '../..');
const say = (line: string) => process.stderr.write(`images: ${line}\n`);

function readOptions(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: IMAGE_NAMES.join(',') },
      tag: { type: 'string', default: 'dev' },
      prefix: { type: 'string', default: 'dev.local/kaggle-agent-' },
      load: { type: 'string', default: 'auto' },
      contexts: { type: 'string' },
      'allow-missing': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const wanted = values.only.split(',').filter((word) => word !== '');
  const unknown = wanted.filter((word) => !IMAGE_NAMES.some((name) => name === word));
  if (unknown.length > 0) throw new Error(`--only: no image is called ${unknown.join(', ')}; there are ${IMAGE_NAMES.join(', ')}.`);
  const load = (['auto', 'kind', 'none'] as const).find((word) => word === values.load);
  if (load === undefined) throw new Error(`--load ${values.load}: use auto, kind or none.`);
  return {
    images: IMAGE_NAMES.filter((name) => wanted.includes(name)),
    tag: values.tag,
    prefix: values.prefix,
    load,
    contextsDir: values.contexts === undefined ? null : resolve(values.contexts),
    allowMissing: values['allow-missing'],
  };
}

async function writeContexts(options: Options, folder: string): Promise<void> {
  const bases = readBases(process.env['KAGGLE_AGENT_IMAGE_BASES'] ?? '');
  const fakeGcs = process.env['KAGGLE_AGENT_FAKE_GCS'] ?? null;
  const { allowMissing } = options;
  for (const image of options.images) {
    await writeContext({ projectDir, image, outDir: join(folder, image), bases, allowMissing, fakeGcs });
  }
}

async function buildImages(options: Options, folder: string): Promise<BuiltImage[]> {
  const builder = await findBuilder(process.env['KAGGLE_AGENT_IMAGE_BUILDER'] ?? null);
  const cluster = await findTarget(options, builder);
  await writeContexts(options, folder);
  const built: BuiltImage[] = [];
  for (const image of options.images) {
    const name = `${options.prefix}${image}:${options.tag}`;
    say(`${name}: building with ${builder.title} …`);
    const startedAt = performance.now();
    await builder.build(name, join(folder, image));
    if (cluster !== null) await loadIntoKind(builder, name, cluster);
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    const size = await builder.readSize(name);
    say(`${name}: ${size === null ? 'size not told by the builder' : `${Math.round(size / 1e6)} MB`}, ${seconds} s`);
    built.push({ name, size_bytes: size, seconds, loaded: builder.loads || cluster !== null });
  }
  return built;
}

async function findTarget(options: Options, builder: Builder): Promise<string | null> {
  if (options.load === 'none' || builder.loads) return null;
  const cluster = await findKindCluster(process.env['KIND_CLUSTER_NAME'] ?? null);
  if (cluster === null && options.load === 'kind') throw new Error('--load kind: there is no kind cluster. Make one: kind create cluster');
  say(cluster === null ? 'no kind cluster: the images stay where they are built' : `loading into the kind cluster ${cluster}`);
  return cluster;
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === null) return void process.stdout.write(HELP);
  if (options.contextsDir !== null) {
    await writeContexts(options, options.contextsDir);
    return void process.stdout.write(`${JSON.stringify({ contexts: options.contextsDir, images: options.images })}\n`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'kaggle-agent-images-'));
  try {
    const images = await buildImages(options, folder);
    process.stdout.write(`${JSON.stringify({ images })}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`images: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
