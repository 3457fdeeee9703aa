import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Builds images. `loads`: a built image is at once where the cluster finds it. */
export interface Builder {
  readonly title: string;
  readonly loads: boolean;
  /** Builds the folder's Dockerfile. Throws an Error with the end of the program's output. */
  build(name: string, folder: string): Promise<void>;
  /** Size in bytes, or null where the program does not tell. */
  readSize(name: string): Promise<number | null>;
  /** Writes the image as `docker save` does. */
  save(name: string, file: string): Promise<void>;
}

type Tool = 'docker' | 'podman' | 'buildah';

/** Answers only when images can be built: docker's and podman's own program is there without its service too. */
const PROBES: Readonly<Record<Tool, readonly string[]>> = {
  docker: ['info', '--format', '{{.ServerVersion}}'],
  podman: ['info', '--format', '{{.Version.Version}}'],
  buildah: ['images', '--quiet'],
};

/** The program named by KAGGLE_AGENT_IMAGE_BUILDER, else the first of docker, podman and buildah that works. Throws when there is none. */
export async function findBuilder(given: string | null): Promise<Builder> {
  if (given !== null) return createGivenBuilder(given);
  const faults: string[] = [];
  for (const tool of ['docker', 'podman', 'buildah'] as const) {
    const probe = await runQuietly(tool, PROBES[tool], 20_000);
    if (probe.code === 0) return createToolBuilder(tool);
    faults.push(`${tool}: ${probe.code === null ? 'not installed' : lastLine(probe.output)}`);
  }
  throw new Error(
    `No program here can build images (${faults.join('; ')}). Install or start one of them, or set KAGGLE_AGENT_IMAGE_BUILDER.`,
  );
}

function createGivenBuilder(program: string): Builder {
  return {
    title: program,
    loads: true,
    build: (name, folder) => runOrThrow(program, [name, folder]),
    readSize: () => Promise.resolve(null),
    save: () => Promise.reject(new Error(`${program} loads what it builds: there is nothing to save.`)),
  };
}

function createToolBuilder(tool: Tool): Builder {
  return {
    title: tool,
    loads: false,
    build: (name, folder) => runOrThrow(tool, ['build', ...(tool === 'buildah' ? ['--layers'] : []), '--tag', name, folder]),
    readSize: async (name) => {
      if (tool === 'buildah') return null;
      const { code, output } = await runQuietly(tool, ['image', 'inspect', '--format', '{{.Size}}', name], 60_000);
      return code === 0 && /^\d+$/.test(output.trim()) ? Number(output.trim()) : null;
    },
    save: (name, file) => {
      if (tool === 'buildah') return runOrThrow(tool, ['push', '--quiet', name, `docker-archive:${file}:${name}`]);
      return runOrThrow(tool, ['save', ...(tool === 'podman' ? ['--format', 'docker-archive'] : []), '--output', file, name]);
    },
  };
}

/** The kind cluster to load into: the given one, else the only one, else null. Throws when several are there and none is named. */
export async function findKindCluster(given: string | null): Promise<string | null> {
  const { code, output } = await runQuietly('kind', ['get', 'clusters', '--quiet'], 30_000);
  const names = code === 0 ? output.split(/\s+/).filter((name) => name !== '') : [];
  if (given !== null && !names.includes(given)) throw new Error(`There is no kind cluster called ${given} (KIND_CLUSTER_NAME).`);
  if (given === null && names.length > 1) throw new Error(`There are several kind clusters (${names.join(', ')}): set KIND_CLUSTER_NAME.`);
  return given ?? names[0] ?? null;
}

/** Loads a built image into every node of a kind cluster, through an archive: works for docker, podman and buildah alike. */
export async function loadIntoKind(builder: Builder, name: string, cluster: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kaggle-agent-image-'));
  try {
    const file = join(folder, 'image.tar');
    await builder.save(name, file);
    await runOrThrow('kind', ['load', 'image-archive', file, '--name', cluster]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Shows the program's output on stderr as it comes. */
async function runOrThrow(program: string, args: readonly string[]): Promise<void> {
  const { code, output } = await run(program, args, (chunk) => process.stderr.write(chunk));
  if (code !== 0) throw new Error(`${program} ${args[0] ?? ''} failed: ${code === null ? 'there is no such program' : lastLine(output)}`);
}

async function runQuietly(program: string, args: readonly string[], timeoutMs: number) {
  return run(program, args, () => undefined, timeoutMs);
}

function run(program: string, args: readonly string[], show: (chunk: Buffer) => void, timeoutMs = 0) {
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    let output = '';
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-16_000);
      show(chunk);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? -1, output }));
  });
}

function lastLine(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  return lines.findLast((line) => line !== '')?.slice(0, 400) ?? 'it printed nothing';
}
