import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

export interface FolderSize {
  readonly mib: number;
  readonly files: number;
}

/** What a folder takes on the disk, links not followed. Stops counting at `maxFiles`; what vanishes meanwhile counts nothing. */
export async function measureFolder(root: string, maxFiles: number): Promise<FolderSize> {
  const queue = [root];
  let files = 0;
  let blocks = 0;
  for (let dir = queue.pop(); dir !== undefined; dir = queue.pop()) {
    const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      files += 1;
      if (files > maxFiles) return { mib: blocks / 2048, files };
      const path = join(dir, entry.name);
      if (entry.isDirectory()) queue.push(path);
      blocks += (await lstat(path).catch(() => ({ blocks: 0 }))).blocks;
    }
  }
  return { mib: blocks / 2048, files };
}
