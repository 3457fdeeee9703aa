import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { RunContext } from '../context.ts';
import { DataFile } from '../journal/entries.ts';
import { callKaggle } from './kaggle-calls.ts';
import { throwIfStopped } from '../context.ts';
import { badInput } from '../errors.ts';

const MAX_HASHED_FILES = 5_000;
const Marker = z.object({ schemaVersion: z.literal(1), files: z.array(DataFile) });

/** The competition's files, unpacked, with their hashes. */
export interface CompetitionData {
  readonly dir: string;
  readonly files: readonly DataFile[];
}

/**
 * Downloads and unpacks the bundle, or finds it in the cache: a folder named after slug and listing, so that changed files are fetched
 * again. The folder appears whole or not at all, also with several processes at once.
 */
export async function fetchData(run: RunContext): Promise<CompetitionData> {
  const { slug } = run.spec;
  const listing = await callKaggle(run, 'listing the files', () => run.kaggle.listFiles(slug, { signal: run.signal }));
  if (listing.length === 0) throw badInput(`The competition ${slug} has no data files, so there is nothing to learn from.`);
  const text = JSON.stringify(listing.map((file) => [file.name, file.bytes, file.createdAt?.toISOString() ?? null]));
  const home = join(run.cacheDir, `${slug}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`);
  const cached = await readMarker(home);
  if (cached !== null) {
    run.log.info(`using the data already here (${cached.length} files)`);
    return { dir: join(home, 'files'), files: cached };
  }
  const partial = `${home}.${randomUUID()}.partial`;
  try {
    await fetchInto(run, partial);
    await rm(home, { recursive: true, force: true });
    await rename(partial, home).catch(async (error: unknown) => {
      if ((await readMarker(home)) === null) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return { dir: join(home, 'files'), files: (await readMarker(home)) ?? [] };
}

async function fetchInto(run: RunContext, partial: string): Promise<void> {
  const { slug } = run.spec;
  await mkdir(join(partial, 'bundle'), { recursive: true });
  const onProgress = ({ bytes, totalBytes }: { bytes: number; totalBytes: number | null }): void =>
    run.voice.update({ message: `downloading ${formatMib(bytes)}${totalBytes === null ? '' : ` of ${formatMib(totalBytes)}`}` });
  const options = { signal: run.signal, onProgress };
  const bundle = await callKaggle(run, 'downloading the data', () => run.kaggle.downloadAll(slug, join(partial, 'bundle'), options));
  run.log.info(`downloaded ${formatMib(bundle.bytes)}`);
  const dir = join(partial, 'files');
  await callKaggle(run, 'unpacking the data', () => run.kaggle.unpack(bundle.path, dir, { signal: run.signal }));
  await rm(join(partial, 'bundle'), { recursive: true, force: true });
  const files = await hashFolder(dir, run.signal);
  await writeFile(join(partial, 'complete.json'), JSON.stringify({ schemaVersion: 1, files } satisfies z.infer<typeof Marker>));
}

async function readMarker(home: string): Promise<DataFile[] | null> {
  const text = await readFile(join(home, 'complete.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  const parsed = Marker.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data.files : null;
}

/** Name, size and SHA-256 of the files of a folder, by name; of at most 5,000 of them. */
export async function hashFolder(dir: string, signal: AbortSignal): Promise<DataFile[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files: DataFile[] = [];
  for (const path of paths.sort().slice(0, MAX_HASHED_FILES)) {
    throwIfStopped(signal);
    files.push({ name: path.slice(dir.length + 1), bytes: (await stat(path)).size, sha256: await hashFile(path) });
  }
  return files;
}

/** SHA-256 of a file, as hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function formatMib(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
