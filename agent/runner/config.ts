import { resolve } from 'node:path';
import { z } from 'zod';
import { DEFAULT_PYTHON } from '../config.ts';

const Environment = z.object({
  KAGGLE_AGENT_RUNNER_SOCKET: z.string().min(1).max(100),
  KAGGLE_AGENT_RUNS_DIR: z.string().min(1),
  KAGGLE_AGENT_PYTHON: z.string().min(1).optional(),
  KAGGLE_AGENT_RUN_DISK_MIB: z.coerce.number().int().min(1).optional(),
});

/** Settings of the runner: it needs no secret, and is given none. */
export interface RunnerConfig {
  readonly socketPath: string;
  readonly runsDir: string;
  readonly python: string;
  /** What one run may write; null = the sandbox's own limit. */
  readonly runDiskMib: number | null;
}

/** Reads the environment once. Throws an Error that names each wrong variable. */
export function readRunnerConfig(env: Readonly<Record<string, string | undefined>>): RunnerConfig {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The settings in the environment are wrong: ${problems.join('; ')}`);
  }
  const values = parsed.data;
  return {
    socketPath: resolve(values.KAGGLE_AGENT_RUNNER_SOCKET),
    runsDir: resolve(values.KAGGLE_AGENT_RUNS_DIR),
    python: resolve(values.KAGGLE_AGENT_PYTHON ?? DEFAULT_PYTHON),
    runDiskMib: values.KAGGLE_AGENT_RUN_DISK_MIB ?? null,
  };
}
