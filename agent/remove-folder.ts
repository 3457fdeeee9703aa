import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes a folder with all in it, also folders that were made read-only: only root may remove those as they are. Absent is fine. Permission
 * is given before and not in answer to a refusal: a recursive `rm` that was refused one entry still removes others when it rejects.
 */
export async function removeFolder(dir: string): Promise<void> {
  await makeWritable(dir);
  await rm(dir, { recursive: true, force: true });
}

/** As far as it can: what stays closed is for the removal to report. */
async function makeWritable(dir: string): Promise<void> {
  try {
    await chmod(dir, 0o700);
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) await makeWritable(join(dir, entry.name));
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}
