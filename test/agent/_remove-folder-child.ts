import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFolder } from '#agent/remove-folder.ts';

const ROUNDS = 100;

/** Makes and removes folders like those of a run, read-only parts included, as a user whom permissions bind. Says how many are left. */
async function main(home: string): Promise<void> {
  // Names are relative from here: a folder above may be closed to that user.
  process.chdir(home);
  if (process.getuid?.() === 0) {
    process.setgroups?.([]);
    process.setgid?.(65_534);
    process.setuid?.(65_534);
  }
  const dirs = Array.from({ length: ROUNDS }, (_, at) => `run-${at}`);
  const removed = await Promise.allSettled(dirs.map(makeAndRemove));
  const failures = removed.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
  const left = await Promise.all(
    dirs.map((dir) =>
      stat(dir).then(
        () => dir,
        () => null,
      ),
    ),
  );
  process.stdout.write(JSON.stringify({ failures, left: left.filter((dir) => dir !== null) }));
}

async function makeAndRemove(dir: string): Promise<void> {
  for (const part of ['out/deep', 'scratch', 'train', 'predict/deep']) await mkdir(join(dir, part), { recursive: true });
  for (const part of ['out', 'out/deep', 'train', 'predict/deep']) await writeFile(join(dir, part, 'rows.csv'), 'id\n1\n', { mode: 0o400 });
  for (const part of ['train', 'predict/deep', 'predict']) await chmod(join(dir, part), 0o500);
  await removeFolder(dir);
}

await main(process.argv[2] ?? '');
