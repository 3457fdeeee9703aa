import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { makeTempDir } from '#test/_support/plane.ts';
import { removeFolder } from '#agent/remove-folder.ts';

const CHILD = fileURLToPath(new URL('_remove-folder-child.ts', import.meta.url));

test('folders of runs are removed with their read-only parts, also by a user who is not root, and many at once', async (t) => {
  const home = await makeTempDir(t, 'remove');
  await chmod(home, 0o777);
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, home]);
  t.deepEqual(JSON.parse(stdout), { failures: [], left: [] });
});

test('a folder that is not there is fine', async (t) => {
  const home = await makeTempDir(t, 'remove');
  await t.notThrowsAsync(removeFolder(join(home, 'absent')));
});
