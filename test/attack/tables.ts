import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { AttackResult } from './programs-suite.ts';
import { PYTHON } from '../_support/python.ts';

const PROGRAM = new URL('programs/read_tables.py', import.meta.url).pathname;
const HARNESS = new URL('../../agent/python', import.meta.url).pathname;
const Results = z.array(z.object({ name: z.string(), through: z.boolean(), result: z.string(), ms: z.number() }));

/** Answers of solutions and tables of competitions that are links, devices, floods or nonsense, against the harness's own readers. */
export async function runTables(dir: string): Promise<AttackResult[]> {
  const home = join(dir, 'tables');
  await mkdir(home);
  const { stdout } = await promisify(execFile)(PYTHON, ['-I', PROGRAM, HARNESS, home], { maxBuffer: 2 ** 24, timeout: 300_000 });
  return Results.parse(JSON.parse(stdout)).map(({ name, through, result, ms }) => ({
    attack: `table: ${name}`,
    through,
    stoppedBy: through ? result : `harness: ${result}`,
    ms,
  }));
}
