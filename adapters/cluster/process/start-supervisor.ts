import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Launch } from './run-files.ts';

const SUPERVISOR = fileURLToPath(new URL('./supervisor.ts', import.meta.url));

/**
 * Starts a supervisor in its own session, with the run's folder as its working directory, and tells it what to run. Resolves when the
 * process exists; throws the system's error when the machine can't start one now. Node's compile cache halves its start time.
 */
export async function startSupervisor(params: { folder: string; cacheDir: string; launch: Launch }): Promise<ChildProcess> {
  const { folder, cacheDir, launch } = params;
  const log = openSync(join(folder, 'supervisor.log'), 'a', 0o600);
  try {
    // The folder is named in the arguments only so that people see it in `ps`.
    const child = spawn(process.execPath, [SUPERVISOR, folder], {
      cwd: folder,
      detached: true,
      env: { NODE_COMPILE_CACHE: cacheDir },
      stdio: ['pipe', 'ignore', log],
    });
    // It may have ended before it read everything; that shows in what it left behind.
    child.stdin?.on('error', () => undefined);
    await once(child, 'spawn');
    child.stdin?.end(JSON.stringify(launch));
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** Fills the compile cache, so that the first run starts as fast as the others. Resolves when done; never throws. */
export async function warmSupervisor(cacheDir: string): Promise<void> {
  const child = spawn(process.execPath, [SUPERVISOR], { env: { NODE_COMPILE_CACHE: cacheDir }, stdio: 'ignore' });
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
}
