/** Stands where the agent is: has the attacks run by the runner beside it, and prints what became of them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRunnerSandbox } from '#agent/sandbox/runner-sandbox.ts';
import { makeAttackPlace, POD_RESULTS } from './place.ts';
import { runArchives } from './archives.ts';
import { runEndings, runTries } from './programs-suite.ts';
import { runStrangers } from './strangers.ts';
import { runTables } from './tables.ts';

/** Whoever asked looks for what was left behind, and ends the pod. */
const WAIT_MS = 300_000;

async function main(): Promise<void> {
  const programs = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as Record<string, string>;
  const agentDir = join(process.env['KAGGLE_AGENT_WORK_DIR'] ?? '', 'attack');
  const programsDir = join(agentDir, 'programs');
  await mkdir(programsDir, { recursive: true });
  for (const [name, text] of Object.entries(programs)) await writeFile(join(programsDir, name), text);
  const socket = process.env['KAGGLE_AGENT_RUNNER_SOCKET'] ?? '';
  const sandbox = await createRunnerSandbox({ socketPath: socket });
  const place = await makeAttackPlace({
    runsDir: process.env['KAGGLE_AGENT_RUNS_DIR'] ?? '',
    agentDir,
    homeDir: '/tmp',
    projectDir: '/app',
    harnessDir: '/app/agent/python',
    programsDir,
    python: '/app/.venv/bin/python',
    socket,
  });
  const results = [
    ...(await runTries(sandbox, place)),
    ...(await runEndings(sandbox, place)),
    ...(await runStrangers(sandbox, place)),
    ...(await runArchives(place)),
    ...(await runTables(place)),
  ];
  await place.close();
  process.stdout.write(`${POD_RESULTS}${JSON.stringify({ tier: sandbox.tier, layers: sandbox.layers, results })}\n`);
  const timer = setTimeout(() => process.exit(0), WAIT_MS);
  process.on('SIGTERM', () => {
    clearTimeout(timer);
    process.exit(0);
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
