import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Root of the checkout: where the agent, the examples and the Python environment lie. */
export const PROJECT_DIR = fileURLToPath(new URL('..', import.meta.url));

const Environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(8000),
  KAGGLE_AGENT_DATA_DIR: z.string().min(1).default('.data'),
  KAGGLE_AGENT_CAP: z.coerce.number().int().min(1).max(1000).optional(),
  KAGGLE_AGENT_TICK_MS: z.coerce.number().int().min(50).max(600_000).default(2000),
  KAGGLE_AGENT_KAGGLE_API_BASE: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_CLAUDE_KEY_FILE: z.string().min(1).optional(),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  KAGGLE_AGENT_CLAUDE_API_BASE: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_MODELS_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_PYTHON: z.string().min(1).optional(),
  KAGGLE_AGENT_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** Settings of the control plane on one machine. */
export interface LocalConfig {
  readonly port: number;
  readonly dataDir: string;
  /** Most attempts at a time. */
  readonly cap: number;
  readonly tickMs: number;
  /** Null = the bundled stand-in. */
  readonly kaggleApiBase: string | null;
  readonly kaggleCredentialsFile: string | null;
  /** Where Claude's key is read: a file, or the variable itself; none = built-in recipes only. */
  readonly claude: {
    readonly keyFile: string | null;
    readonly key: string | null;
    readonly apiBase: string | null;
    readonly modelsFile: string | null;
  };
  readonly python: string;
  readonly logLevel: string;
}

/** Reads the settings of `npm start` from the environment. Throws an Error that names the variable and what it must be. */
export function readLocalConfig(env: Readonly<Record<string, string | undefined>>): LocalConfig {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The settings in the environment are wrong: ${problems.join('; ')}`);
  }
  const values = parsed.data;
  return {
    port: values.PORT,
    dataDir: resolve(values.KAGGLE_AGENT_DATA_DIR),
    cap: values.KAGGLE_AGENT_CAP ?? defaultCap(),
    tickMs: values.KAGGLE_AGENT_TICK_MS,
    kaggleApiBase: values.KAGGLE_AGENT_KAGGLE_API_BASE ?? null,
    kaggleCredentialsFile: values.KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE ?? null,
    claude: {
      keyFile: values.KAGGLE_AGENT_CLAUDE_KEY_FILE === undefined ? null : resolve(values.KAGGLE_AGENT_CLAUDE_KEY_FILE),
      key: values.ANTHROPIC_API_KEY ?? null,
      apiBase: values.KAGGLE_AGENT_CLAUDE_API_BASE ?? null,
      modelsFile: values.KAGGLE_AGENT_MODELS_FILE === undefined ? null : resolve(values.KAGGLE_AGENT_MODELS_FILE),
    },
    python: values.KAGGLE_AGENT_PYTHON ?? resolve(PROJECT_DIR, '.venv/bin/python'),
    logLevel: values.KAGGLE_AGENT_LOG_LEVEL,
  };
}

/** Protocol default: half the cores, at least one. */
export function defaultCap(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2));
}
