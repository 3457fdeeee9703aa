import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { KaggleError } from '#core/kaggle-error.ts';
import type { UnpackedFile, UnpackLimits } from '#core/kaggle.ts';
import { checkEntryName, TakenNames, unsafeArchive } from './unpack-names.ts';

/** Room for all but the largest competitions; a disk's own limit comes before it. */
export const DEFAULT_UNPACK_LIMITS: UnpackLimits = {
  maxEntries: 1_000_000,
  maxTotalBytes: 64 * 1024 ** 3,
  maxFileBytes: 32 * 1024 ** 3,
  maxRatio: 200,
};

const RATIO_FLOOR_BYTES = 64 * 1024 ** 2;

/** What one unpacking has used of its limits, the inner archives included. */
interface Usage {
  limits: UnpackLimits;
  packedBytes: number;
  entries: number;
  bytes: number;
  signal: AbortSignal | undefined;
}

/**
 * Unpack a zip into `dir` (absent or empty), and zip or gz archives inside it one level deep. Links, devices, encrypted entries, names that
 * leave the folder or collide, and anything over the limits refuse the whole archive; `dir` then stays as it was.
 */
export async function unpackArchive(
  archivePath: string,
  dir: string,
  options: { limits?: Partial<UnpackLimits>; signal?: AbortSignal } = {},
): Promise<UnpackedFile[]> {
  await requireEmpty(dir);
  await mkdir(dirname(dir), { recursive: true });
  const staging = await mkdtemp(join(dirname(dir), `.${basename(dir)}-`));
  try {
    const { size } = await stat(archivePath);
    const usage: Usage = {
      limits: { ...DEFAULT_UNPACK_LIMITS, ...options.limits },
      packedBytes: size,
      entries: 0,
      bytes: 0,
      signal: options.signal,
    };
    const names = new TakenNames();
    const outer = await unpackZip(archivePath, staging, '', names, usage);
    const files: UnpackedFile[] = [];
    for (const file of outer) files.push(...(await unpackInner(staging, file, names, usage)));
    await rmdir(dir).catch(ignoreMissing);
    await rename(staging, dir);
    return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    options.signal?.throwIfAborted();
    throw error;
  }
}

/**
 * Opens the zip archives of several files that lie in a folder of data, one level deep and under the same rules; each is removed once it is
 * unpacked. Packed single files stay: they are read as they are. Throws as unpackArchive does, and leaves what it had unpacked by then.
 */
export async function unpackInside(
  dir: string,
  files: readonly UnpackedFile[],
  options: { limits?: Partial<UnpackLimits>; signal?: AbortSignal } = {},
): Promise<UnpackedFile[]> {
  const archives = new Set<string>();
  for (const { path } of files) {
    if ((await innerKind(path, join(dir, path))) === 'zip' && (await countFiles(join(dir, path))) > 1) archives.add(path);
  }
  // Names that differ only in case are no fault of a folder in which nothing is unpacked.
  if (archives.size === 0) return [...files];
  const packedBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const usage: Usage = {
    limits: { ...DEFAULT_UNPACK_LIMITS, ...options.limits },
    packedBytes,
    entries: 0,
    bytes: 0,
    signal: options.signal,
  };
  const names = new TakenNames();
  for (const { path } of files) names.addFile(path);
  const found: UnpackedFile[] = [];
  for (const file of files) {
    const stem = file.path.slice(0, file.path.lastIndexOf('.'));
    found.push(...(archives.has(file.path) ? await unpackInnerZip(dir, file, stem, names, usage) : [file]));
  }
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function countFiles(archivePath: string): Promise<number> {
  const zip = await openZip(archivePath);
  zip.close();
  return zip.entryCount;
}

async function requireEmpty(dir: string): Promise<void> {
  const found = await readdir(dir).catch(ignoreMissing);
  if (found && found.length > 0)
    throw new KaggleError('refused', `${basename(dir)}: the folder to unpack into is not empty. Empty it or name another.`);
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}

async function unpackZip(archivePath: string, root: string, prefix: string, names: TakenNames, usage: Usage): Promise<UnpackedFile[]> {
  const zip = await openZip(archivePath);
  const files: UnpackedFile[] = [];
  try {
    if (usage.entries + zip.entryCount > usage.limits.maxEntries)
      throw unsafeArchive(`it has more than ${usage.limits.maxEntries} entries`);
    for await (const entry of listEntries(zip)) {
      usage.signal?.throwIfAborted();
      const file = await unpackEntry(zip, entry, root, prefix, names, usage);
      if (file) files.push(file);
    }
    return files;
  } finally {
    zip.close();
  }
}

async function openZip(archivePath: string): Promise<ZipFile> {
  try {
    return await openPromise(archivePath, { lazyEntries: true, autoClose: false, strictFileNames: true });
  } catch (error) {
    throw unsafeArchive(`it is not a readable zip file: ${messageOf(error)}`);
  }
}

/** Entries one by one; what yauzl itself finds wrong (bad names, broken headers) becomes an unsafe-archive error. */
async function* listEntries(zip: ZipFile): AsyncGenerator<Entry> {
  try {
    yield* zip.eachEntry();
  } catch (error) {
    throw asUnsafe(error);
  }
}

async function unpackEntry(
  zip: ZipFile,
  entry: Entry,
  root: string,
  prefix: string,
  names: TakenNames,
  usage: Usage,
): Promise<UnpackedFile | null> {
  usage.entries += 1;
  if (usage.entries > usage.limits.maxEntries) throw unsafeArchive(`it has more than ${usage.limits.maxEntries} entries`);
  const path = prefix + checkEntryName(entry.fileName);
  checkKind(entry);
  if (entry.fileName.endsWith('/')) {
    names.addFolder(path);
    await mkdir(join(root, path), { recursive: true });
    return null;
  }
  names.addFile(path);
  const stream = await zip.openReadStreamPromise(entry).catch((error: unknown) => {
    throw asUnsafe(error);
  });
  return { path, bytes: await writeCounted(stream, root, path, usage) };
}

function checkKind(entry: Entry): void {
  if (entry.isEncrypted()) throw unsafeArchive('an entry is encrypted', entry.fileName);
  const unixKind = (entry.externalFileAttributes >>> 16) & 0o170000;
  const expected = entry.fileName.endsWith('/') ? 0o040000 : 0o100000;
  if (unixKind !== 0 && unixKind !== expected) throw unsafeArchive('an entry is a link, a device or another special file', entry.fileName);
}

/** Write a stream to a new file while counting; the limits are checked before the bytes reach the disk. */
async function writeCounted(stream: AsyncIterable<unknown>, root: string, path: string, usage: Usage): Promise<number> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  const file = await open(join(root, path), 'wx', 0o644);
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('An archive stream gave something that is not bytes.');
      usage.signal?.throwIfAborted();
      bytes += chunk.byteLength;
      usage.bytes += chunk.byteLength;
      checkSizes(path, bytes, usage);
      await file.writeFile(chunk);
    }
    return bytes;
  } catch (error) {
    throw asUnsafe(error);
  } finally {
    await file.close();
  }
}

function checkSizes(path: string, fileBytes: number, usage: Usage): void {
  const { maxFileBytes, maxTotalBytes, maxRatio } = usage.limits;
  if (fileBytes > maxFileBytes) throw unsafeArchive(`a file is larger than ${maxFileBytes} bytes`, path);
  if (usage.bytes > maxTotalBytes) throw unsafeArchive(`it unpacks to more than ${maxTotalBytes} bytes`);
  if (usage.bytes > RATIO_FLOOR_BYTES && usage.bytes > usage.packedBytes * maxRatio) {
    throw unsafeArchive(`it unpacks to more than ${maxRatio} times its size`);
  }
}

async function unpackInner(root: string, file: UnpackedFile, names: TakenNames, usage: Usage): Promise<UnpackedFile[]> {
  const source = join(root, file.path);
  const kind = await innerKind(file.path, source);
  if (kind === null) return [file];
  const stem = file.path.slice(0, file.path.lastIndexOf('.'));
  if (kind === 'zip') return unpackInnerZip(root, file, stem, names, usage);
  if (!names.isFree(stem)) return [file];
  names.addFile(stem);
  const bytes = await writeCounted(createReadStream(source).compose(createGunzip()), root, stem, usage);
  await removeArchive(source, file, names);
  return [{ path: stem, bytes }];
}

/** A lone file goes beside its archive (train.csv.zip → train.csv); several go into a folder named like it, unless they bring that folder. */
async function unpackInnerZip(root: string, file: UnpackedFile, stem: string, names: TakenNames, usage: Usage): Promise<UnpackedFile[]> {
  const source = join(root, file.path);
  const zip = await openZip(source);
  const inside: string[] = [];
  try {
    if (usage.entries + zip.entryCount > usage.limits.maxEntries)
      throw unsafeArchive(`it has more than ${usage.limits.maxEntries} entries`, file.path);
    for await (const entry of listEntries(zip)) inside.push(checkEntryName(entry.fileName) + (entry.fileName.endsWith('/') ? '/' : ''));
  } finally {
    zip.close();
  }
  const folder = file.path.includes('/') ? file.path.slice(0, file.path.lastIndexOf('/') + 1) : '';
  const isLoneFile = inside.length === 1 && inside.every((name) => !name.endsWith('/') && names.isFree(folder + name));
  const bringsFolder = inside.length > 0 && inside.every((name) => name.startsWith(`${basename(stem)}/`));
  const prefix = isLoneFile || bringsFolder ? folder : `${stem}/`;
  if (prefix !== folder && !names.isFree(stem)) return [file];
  const files = await unpackZip(source, root, prefix, names, usage);
  await removeArchive(source, file, names);
  return files;
}

async function removeArchive(source: string, file: UnpackedFile, names: TakenNames): Promise<void> {
  await rm(source);
  names.removeFile(file.path);
}

/** Only what says so by its name and by its first bytes is opened; .tar.gz, .7z and the like stay as they are. */
async function innerKind(path: string, source: string): Promise<'zip' | 'gz' | null> {
  const name = path.toLowerCase();
  const wanted = name.endsWith('.zip') ? 'zip' : name.endsWith('.gz') && !name.endsWith('.tar.gz') ? 'gz' : null;
  if (wanted === null || basename(path).lastIndexOf('.') === 0) return null;
  const file = await open(source, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const isZip = bytesRead === 4 && buffer[0] === 0x50 && buffer[1] === 0x4b && buffer[2] === 3 && buffer[3] === 4;
    const isGzip = bytesRead >= 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
    return wanted === 'zip' ? (isZip ? 'zip' : null) : isGzip ? 'gz' : null;
  } finally {
    await file.close();
  }
}

function asUnsafe(error: unknown): unknown {
  if (error instanceof KaggleError || isSystemError(error)) return error;
  return unsafeArchive(`it is broken: ${messageOf(error)}`);
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && ('syscall' in error || error.name === 'AbortError' || error.name === 'TimeoutError');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : 'unknown error';
}
