import { dirname } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { DEFAULT_LIMITS } from '../sandbox/run-limits.ts';
import { RECIPES_INDEX } from '../search/recipes.ts';
import { describeError } from '../errors.ts';
import { hasNoNetwork } from './network.ts';
import { openProcessSandbox } from '../sandbox/process-sandbox.ts';
import { readRunnerConfig } from './config.ts';
import { startRunnerServer } from './server.ts';

/** The runner container's process: runs solutions for the agent beside it. It ends at once when it is asked to, and its runs with it. */
async function main(): Promise<void> {
  const config = readRunnerConfig(process.env);
  let endRuns: () => void = () => undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      endRuns();
      // A Job is complete only when this container is: nothing is waited for.
      process.exit(0);
    });
  }
  const log = (line: string): void => void process.stdout.write(`runner: ${line}\n`);
  await mkdir(config.runsDir, { recursive: true, mode: 0o770 });
  const { sandbox, problems: found } = await openProcessSandbox(config.python, {
    limits: { ...DEFAULT_LIMITS, ...(config.runDiskMib !== null && { diskMib: config.runDiskMib }) },
    warm: true,
  });
  const problems = (await hasNoNetwork()) ? [...found] : [...found, 'this container has a network'];
  const server = await startRunnerServer({
    socketPath: config.socketPath,
    sandbox,
    places: { runsDir: config.runsDir, recipesDir: dirname(RECIPES_INDEX) },
    confined: sandbox.tier === 'isolated' && problems.length === 0,
    problems,
    log,
  });
  ({ endRuns } = server);
  log(problems.length === 0 ? 'ready; runs are confined' : `ready; not confined: ${problems.join('; ')}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${describeError(error)}\n`);
  process.exit(1);
});
