import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunContext } from '../context.ts';
import type { SolutionReport } from '#core/report.ts';
import { retryUnavailable } from '../storing.ts';

const MAX_PROGRAM_BYTES = 16 * 1024 * 1024;

/** Puts a generated program where it lies while it runs. */
export async function writeProgram(run: RunContext, number: number, code: string | Uint8Array): Promise<string> {
  const dir = join(run.workDir, 'programs', String(number));
  await mkdir(dir, { recursive: true });
  const path = join(dir, 'solution.py');
  await writeFile(path, code);
  return path;
}

/** The stored program of a solution; null when it has none. */
export async function readProgram(run: RunContext, { codeKey }: SolutionReport): Promise<Uint8Array | null> {
  return codeKey === null ? null : retryUnavailable(() => run.store.readObject(codeKey, MAX_PROGRAM_BYTES));
}
