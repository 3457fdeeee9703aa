import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { AttackPlace } from './place.ts';
import type { AttackResult } from './programs-suite.ts';

const Results = z.array(z.object({ name: z.string(), through: z.boolean(), result: z.string(), ms: z.number() }));

/** Answers of solutions and tables of competitions that are links, devices, floods or nonsense, against the harness's own readers. */
export async function runTables({ folders }: AttackPlace): Promise<AttackResult[]> {
  const { agentDir, harnessDir, programsDir, python } = folders;
  const home = join(agentDir, 'tables');
  await mkdir(home);
  const { stdout } = await promisify(execFile)(python, ['-I', join(programsDir, 'read_tables.py'), harnessDir, home], {
    maxBuffer: 2 ** 24,
    timeout: 300_000,
  });
  return Results.parse(JSON.parse(stdout)).map(({ name, through, result, ms }) => ({
    attack: `table: ${name}`,
    through,
    stoppedBy: through ? result : `harness: ${result}`,
    ms,
  }));
}
