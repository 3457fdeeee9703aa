import { constants } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { RunFolders } from '../evaluate/harness-protocol.ts';
import { removeFolder } from '../remove-folder.ts';

/** Files of one run of one solution: the program reads the first three and writes into the last two. */
export interface RunPlace {
  readonly trainDir: string;
  readonly predictDir: string;
  readonly paramsFile: string;
  readonly outDir: string;
  readonly scratchDir: string;
  remove(): Promise<void>;
}

/**
 * Makes the folder of one run, for this user alone, under a name that says nothing: the program sees it. With a `runsDir` (a volume that the runner mounts) the run's data are copied there for
 * the run's time only: other folds' training data hold this fold's answers and stay away from that volume.
 */
export async function makeRunPlace(options: {
  readonly homeDir: string;
  readonly runsDir: string | null;
  readonly folders: RunFolders;
  readonly params: Readonly<Record<string, unknown>>;
}): Promise<RunPlace> {
  const { homeDir, runsDir, folders } = options;
  const dir = join(runsDir ?? homeDir, randomBytes(12).toString('hex'));
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const paramsFile = join(dir, 'params.json');
  const [outDir, scratchDir] = [join(dir, 'out'), join(dir, 'scratch')];
  let [trainDir, predictDir] = [folders.train_dir, folders.predict_dir];
  const remove = (): Promise<void> => removeFolder(dir);
  try {
    for (const made of [outDir, scratchDir]) await mkdir(made, { mode: 0o700 });
    await writeFile(paramsFile, JSON.stringify(options.params), { mode: 0o400 });
    if (runsDir !== null) {
      [trainDir, predictDir] = [join(dir, 'train'), join(dir, 'predict')];
      await copyFolder(folders.train_dir, trainDir);
      await copyFolder(folders.predict_dir, predictDir);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { trainDir, predictDir, paramsFile, outDir, scratchDir, remove };
}

/** Regular files and folders with their times; the harness makes nothing else. The copy is read-only. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyFolder(source, target);
    if (!entry.isFile()) continue;
    await copyFile(source, target, constants.COPYFILE_FICLONE);
    const { atime, mtime } = await lstat(source);
    await utimes(target, atime, mtime);
    await chmod(target, 0o400);
  }
  const { atime, mtime } = await lstat(from);
  await utimes(to, atime, mtime);
  await chmod(to, 0o500);
}
