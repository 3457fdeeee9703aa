import { open as openZip } from 'yauzl';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Readable } from 'node:stream';
import type { TaskProfile } from '../evaluate/harness-protocol.ts';

const PACKED = { none: '', gzip: '.gz', zip: '.zip' } as const;
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,94}$/;

/** The name of the file as the competition wants it: its own where that is a plain one, and with the ending of how it is packed. */
export function nameSubmission({ file_name: wanted, compression, form }: TaskProfile['submission']): string {
  const [extension, otherwise] = form === 'program' ? ['.py', 'main.py'] : ['.csv', 'submission.csv'];
  const plain = FILE_NAME.test(wanted) && wanted.endsWith(extension) ? wanted : otherwise;
  return `${plain}${PACKED[compression]}`;
}

/** Writes the plain CSV behind a submission file that the harness wrote (plain, gzip, or a zip of one file). */
export async function writePlainCsv(from: string, to: string, compression: 'none' | 'gzip' | 'zip'): Promise<void> {
  if (compression === 'none') return copyFile(from, to);
  if (compression === 'gzip') return pipeline(createReadStream(from), createGunzip(), createWriteStream(to));
  return pipeline(await openOnlyEntry(from), createWriteStream(to));
}

async function openOnlyEntry(path: string): Promise<Readable> {
  return new Promise((resolve, reject) => {
    openZip(path, { lazyEntries: true, autoClose: true }, (error, zip) => {
      if (error) return reject(error);
      zip.once('error', reject);
      zip.once('entry', (entry) => zip.openReadStream(entry, (failure, stream) => (failure ? reject(failure) : resolve(stream))));
      zip.readEntry();
    });
  });
}
