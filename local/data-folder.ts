import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const RunFile = z.object({
  pid: z.int(),
  port: z.int(),
  kaggle_port: z.int().nullable(),
  intake_port: z.int(),
  signals_port: z.int(),
  internal_port: z.int(),
});
/** What the last control plane on this folder listened on; agents that survive a restart still know these addresses. */
export type RunFile = z.infer<typeof RunFile>;

/** Paths inside one data folder. */
export interface DataFolder {
  readonly root: string;
  readonly postgres: string;
  readonly objects: string;
  readonly attempts: string;
  readonly logs: string;
  readonly kaggle: string;
  readonly planeKey: string;
  readonly lastRun: RunFile | null;
}

/** Makes the folders and the plane's key (0600, made once, whole or not at all), and reads what the last run listened on. */
export async function openDataFolder(root: string): Promise<DataFolder> {
  const folder = (name: string) => join(root, name);
  await mkdir(root, { recursive: true, mode: 0o700 });
  for (const name of ['objects', 'attempts', 'logs', 'kaggle']) await mkdir(folder(name), { recursive: true, mode: 0o700 });
  return {
    root,
    postgres: folder('postgres'),
    objects: folder('objects'),
    attempts: folder('attempts'),
    logs: folder('logs'),
    kaggle: folder('kaggle'),
    planeKey: await readOrMakeKey(folder('plane.key')),
    lastRun: await readRunFile(folder('run.json')),
  };
}

/** Says where this run listens. */
export async function writeRunFile(root: string, run: RunFile): Promise<void> {
  const part = join(root, `.run.json.${process.pid}`);
  await writeFile(part, `${JSON.stringify(run, null, 2)}\n`, { mode: 0o600 });
  await rename(part, join(root, 'run.json'));
}

async function readRunFile(path: string): Promise<RunFile | null> {
  try {
    const parsed = RunFile.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    // Missing or cut short: fresh ports are as good, hints of older agents are then lost and ticks find everything.
    return null;
  }
}

async function readOrMakeKey(path: string): Promise<string> {
  const part = `${path}.${process.pid}`;
  const handle = await open(part, 'w', 0o600);
  await handle.writeFile(randomBytes(32).toString('hex'));
  await handle.sync();
  await handle.close();
  // link() never replaces: of two processes that start at once, both use the key of the first.
  await link(part, path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  });
  await rm(part, { force: true });
  return (await readFile(path, 'utf8')).trim();
}
