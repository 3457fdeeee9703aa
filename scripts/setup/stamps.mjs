import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setupDir } from './places.mjs';

// A stamp holds the hash of a step's inputs and is written only after the step succeeded: no stamp, or another hash, means "do it again".

const stampPath = (step) => join(setupDir, 'stamps', step);

/** The hash of a step's inputs: contents of files, and plain strings for everything else that the result depends on. */
export function hashInputs(files, words = []) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file)).update('\0');
  for (const word of [process.platform, process.arch, ...words]) hash.update(word).update('\0');
  return hash.digest('hex');
}

/** Whether the step last succeeded with exactly these inputs. */
export function isStamped(step, hash) {
  try {
    return readFileSync(stampPath(step), 'utf8') === hash;
  } catch {
    return false;
  }
}

/** Records success. Atomic, so that a stamp is whole or absent. */
export function writeStamp(step, hash) {
  mkdirSync(join(setupDir, 'stamps'), { recursive: true });
  const temporary = `${stampPath(step)}.${process.pid}`;
  writeFileSync(temporary, hash);
  renameSync(temporary, stampPath(step));
}

/** Forgets a step before it is done again, so that an interrupted repetition is not mistaken for success. */
export function removeStamp(step) {
  rmSync(stampPath(step), { force: true });
}
