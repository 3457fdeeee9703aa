import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import type { ServedFile } from './competitions.ts';

/** An object that storage can serve. */
export interface StoredObject {
  path: string;
  bytes: number;
  modifiedAt: Date;
  md5: string;
}

const ZIP_TIME = new Date('2026-01-01T00:00:00Z');

/** The zip of a competition's files, built once for each state of the files and kept in `bundlesDir`. */
export async function buildBundle(files: readonly ServedFile[], name: string, bundlesDir: string): Promise<StoredObject> {
  const facts = files.map((file) => `${file.name} ${file.bytes} ${file.modifiedAt.getTime()}`).join('\n');
  const path = join(bundlesDir, `${name}-${createHash('sha256').update(facts).digest('hex').slice(0, 16)}.zip`);
  const known = await stat(path).catch(() => null);
  if (!known) {
    const zip = new ZipFile();
    for (const file of files) zip.addFile(file.path, file.name, { mtime: ZIP_TIME, mode: 0o100644 });
    zip.end();
    const draft = `${path}.${process.pid}.new`;
    await pipeline(zip.outputStream, createWriteStream(draft));
    await rename(draft, path);
  }
  return describeObject(path);
}

/** Size, time and md5 of a file as storage tells them. */
export async function describeObject(path: string): Promise<StoredObject> {
  const { size, mtime } = await stat(path);
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return { path, bytes: size, modifiedAt: mtime, md5: hash.digest('base64') };
}
