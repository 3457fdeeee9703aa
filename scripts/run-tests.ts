// Runs the tests: `node scripts/run-tests.ts [files and AVA options]`. Starts the database they share, shows each result as it comes, fails
// on processes left behind, and ends with the line `N passed, N failed`.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startTestServer, TEST_DATABASE_VARIABLE } from '../test/_support/postgres.ts';
import { endLeakedProcesses } from './leaked-processes.ts';
import { readTapLine, type TestCounts } from './tap.ts';

const projectDir = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const runVariable = 'KAGGLE_AGENT_TEST_RUN';

/** Runs AVA to its end and counts what it reports. A run that fails without a failed test counts as one. */
async function runAva(args: readonly string[], env: NodeJS.ProcessEnv): Promise<TestCounts> {
  const ava = join(projectDir, 'scripts', 'ava-with-tap.mjs');
  const child = spawn(process.execPath, [ava, '--tap', ...args], { cwd: projectDir, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward);
  const counts: TestCounts = { passed: 0, failed: 0, skipped: [] };
  const ended = new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
  for await (const line of createInterface({ input: child.stdout })) {
    const shown = readTapLine(line, counts);
    if (shown !== null) console.log(shown);
  }
  const code = await ended;
  if (code !== 0 && counts.failed === 0) {
    console.log(`AVA ended with ${code ?? 'a signal'} although no test failed`);
    counts.failed = 1;
  }
  if (counts.passed + counts.failed === 0) {
    console.log('no test ran: check the file names');
    counts.failed = 1;
  }
  return counts;
}

async function main(): Promise<number> {
  const runId = randomUUID();
  // Temporary files of all tests lie in one folder: it is removed at the end, and names the processes that were started in it.
  const folder = mkdtempSync(join(tmpdir(), 'kn-'));
  const given = process.env[TEST_DATABASE_VARIABLE];
  const server = given ? null : await startTestServer(process.pid);
  try {
    const env = { ...process.env, TMPDIR: folder, [runVariable]: runId, [TEST_DATABASE_VARIABLE]: given ?? server?.url };
    const counts = await runAva(process.argv.slice(2), env);
    const leaked = await endLeakedProcesses(`${runVariable}=${runId}`, folder);
    for (const line of leaked) console.log(`left behind by a test: ${line}`);
    for (const title of counts.skipped) console.log(`not run: ${title}`);
    const failed = counts.failed + leaked.length;
    console.log(`${counts.passed} passed, ${failed} failed`);
    return failed === 0 ? 0 : 1;
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
