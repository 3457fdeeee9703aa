/** `npm run test:guards`: takes the guards away one after the other, in a copy of the project, and sees the test of each go red. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTestServer, TEST_DATABASE_VARIABLE } from '../_support/postgres.ts';
import type { Guard } from './guard.ts';
import { GUARDS } from './list.ts';

const PROJECT_DIR = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const USAGE = 'npm run test:guards [-- WORD …]: only the guards whose names hold one of the words';
/** Installed things are shared with the copy, results and data are left out. */
const SHARED = ['node_modules', '.venv', '.setup'];
const LEFT_OUT = new Set([...SHARED, '.git', '.data', 'coverage', 'demo-output']);

/** What became of one guard. */
type Verdict = 'noticed' | 'not noticed' | 'not there any more' | 'red without it, too';

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words.some((word) => word.startsWith('-'))) {
    process.stdout.write(`${USAGE}\n`);
    return words.includes('--help') ? 0 : 64;
  }
  const chosen = GUARDS.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
  const server = await startTestServer(process.pid);
  const copy = await mkdtemp(join(tmpdir(), 'kaggle-agent-guards-'));
  try {
    await copyProject(copy);
    const env = { ...process.env, [TEST_DATABASE_VARIABLE]: server.url };
    let failed = 0;
    for (const [index, guard] of chosen.entries()) {
      const verdict = await tryWithout(copy, guard, env);
      if (verdict !== 'noticed') failed += 1;
      process.stdout.write(`${index + 1}/${chosen.length}  ${verdict.padEnd(12)}  ${guard.name}  (${guard.test}: ${guard.title})\n`);
    }
    process.stdout.write(`${chosen.length - failed} passed, ${failed} failed\n`);
    return failed === 0 && chosen.length > 0 ? 0 : 1;
  } finally {
    await rm(copy, { recursive: true, force: true });
    await server.stop();
  }
}

async function copyProject(copy: string): Promise<void> {
  for (const name of await readdir(PROJECT_DIR)) {
    if (!LEFT_OUT.has(name)) {
      await cp(join(PROJECT_DIR, name), join(copy, name), {
        recursive: true,
        filter: (source) => source !== join(PROJECT_DIR, 'examples/built'),
      });
    }
  }
  for (const name of SHARED) await symlink(join(PROJECT_DIR, name), join(copy, name));
}

/** The test is green with the guard, and red without. */
async function tryWithout(copy: string, guard: Guard, env: NodeJS.ProcessEnv): Promise<Verdict> {
  const path = join(copy, guard.file);
  const text = await readFile(path, 'utf8');
  if (text.split(guard.find).length !== 2) return 'not there any more';
  if ((await runTest(copy, guard, env)) !== 0) return 'red without it, too';
  await writeFile(
    path,
    text.replace(guard.find, () => guard.replace),
  );
  try {
    return (await runTest(copy, guard, env)) === 0 ? 'not noticed' : 'noticed';
  } finally {
    await writeFile(path, text);
  }
}

/** The exit code of the one test. */
async function runTest(copy: string, { test, title }: Guard, env: NodeJS.ProcessEnv): Promise<number> {
  const args = [join(copy, 'scripts/run-tests.ts'), test, '--match', `*${title}*`];
  const child = spawn(process.execPath, args, { cwd: copy, env, stdio: 'ignore' });
  await once(child, 'close');
  return child.exitCode ?? 1;
}

process.exitCode = await main();
