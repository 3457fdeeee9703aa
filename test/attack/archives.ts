import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AttackPlace } from './place.ts';
import type { AttackResult } from './programs-suite.ts';
import { unpackArchive } from '#adapters/kaggle/unpack.ts';

const LIMITS = { maxEntries: 2_000, maxTotalBytes: 200 * 2 ** 20, maxFileBytes: 100 * 2 ** 20 };

/** Archives that bomb, leave the folder or collide, against what unpacks Kaggle's bundles: each is refused, with nothing outside. */
export async function runArchives({ folders }: AttackPlace): Promise<AttackResult[]> {
  const { agentDir, programsDir, python } = folders;
  const home = join(agentDir, 'archives');
  await mkdir(home);
  const { stdout } = await promisify(execFile)(python, ['-I', join(programsDir, 'make_archives.py'), home]);
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
