import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, whatever the working directory is. */
export const projectDir = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** A path inside the project. */
export function inProject(...parts) {
  return join(projectDir, ...parts);
}

/** Where set-up keeps its lock, its stamps and the tools it builds. */
export const setupDir = inProject('.setup');

/** The project's own Node 24, started by path: a shell on the way would remember the system's Node. */
export const nodePath = inProject('node_modules', '.bin', 'node');

/** The interpreter of the locked Python environment. */
export const pythonPath = inProject('.venv', 'bin', 'python');
