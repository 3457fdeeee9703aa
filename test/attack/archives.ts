import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AttackResult } from './programs-suite.ts';
import { unpackArchive } from '#adapters/kaggle/unpack.ts';
import { PYTHON } from '../_support/python.ts';

const GENERATOR = new URL('programs/make_archives.py', import.meta.url).pathname;
const LIMITS = { maxEntries: 2_000, maxTotalBytes: 200 * 2 ** 20, maxFileBytes: 100 * 2 ** 20 };

/** Archives that bomb, leave the folder or collide, against what unpacks Kaggle's bundles: each is refused, with nothing outside. */
export async function runArchives(dir: string): Promise<AttackResult[]> {
  const home = join(dir, 'archives');
  await mkdir(home);
  const { stdout } = await promisify(execFile)(PYTHON, ['-I', GENERATOR, home]);
  const results: AttackResult[] = [];
  for (const name of stdout.trim().split('\n')) {
    const inside = join(home, `place-${name}`);
    await mkdir(inside);
    const startMs = performance.now();
    let stoppedBy = 'OPEN: it was unpacked';
    let through = true;
    try {
      await unpackArchive(join(home, `${name}.zip`), join(inside, 'files'), { limits: LIMITS });
    } catch (error) {
      through = false;
      stoppedBy = `unpacker: ${error instanceof Error ? error.message.slice(0, 110) : String(error)}`;
    }
    const left = await readdir(inside);
    if (left.length > 0 && !through) [through, stoppedBy] = [true, `refused, but it left ${left.join(', ')}`];
    results.push({ attack: `archive: ${name}`, through, stoppedBy, ms: performance.now() - startMs });
  }
  const outside = (await readdir(home)).filter((name) => !name.endsWith('.zip') && !name.startsWith('place-'));
  results.push({ attack: 'archive: bytes outside', through: outside.length > 0, stoppedBy: outside.join(', ') || 'none are there', ms: 0 });
  return results;
}
