import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { JobSpec } from '#core/job-spec.ts';
import type { ModelTable } from './budget/prices.ts';
import { readModels } from './budget/read-models.ts';

const Environment = z.object({
  KAGGLE_AGENT_SPEC_FILE: z.string().min(1),
  KAGGLE_AGENT_TOKEN_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_STORAGE_URL: z.string().regex(/^(file:|gs:\/\/)/, 'expected file:… or gs://…'),
  KAGGLE_AGENT_GCS_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  K_SINK: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_KAGGLE_API_BASE: z.url({ protocol: /^https?$/ }).default('https://api.kaggle.com/v1'),
  KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_CLAUDE_KEY_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_CLAUDE_API_BASE: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_MODELS_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_PYTHON: z.string().min(1).optional(),
  KAGGLE_AGENT_WORK_DIR: z.string().min(1).optional(),
  KAGGLE_AGENT_CACHE_DIR: z.string().min(1).optional(),
  KAGGLE_AGENT_FOLDS_AT_ONCE: z.coerce.number().int().min(1).max(64).default(2),
  KAGGLE_AGENT_WORKERS: z.coerce.number().int().min(1).max(8).default(2),
  KAGGLE_AGENT_STAGING_MIB: z.coerce.number().int().min(1).optional(),
  KAGGLE_AGENT_RUNNER_SOCKET: z.string().min(1).max(100).optional(),
  KAGGLE_AGENT_RUNS_DIR: z.string().min(1).optional(),
  HOSTNAME: z.string().min(1).optional(),
  KAGGLE_AGENT_POD_NAME: z.string().min(1).optional(),
  KAGGLE_AGENT_POD_UID: z.string().min(1).max(200).optional(),
});

const Credentials = z.union([
  z.object({ token: z.string().min(1) }).transform(({ token }) => ({ token })),
  z.object({ username: z.string().min(1), key: z.string().min(1) }).transform(({ username, key }) => ({ username, key })),
]);
export type Credentials = z.infer<typeof Credentials>;

/** Settings of one attempt's process. Secrets are read from files and appear in no message. */
export interface AgentConfig {
  readonly spec: JobSpec;
  /** Signs hints; null when no plane listens. */
  readonly token: string | null;
  readonly storageUrl: string;
  readonly gcsEndpoint: string | null;
  readonly sinkUrl: string | null;
  readonly kaggleApiBase: string;
  readonly credentials: Credentials | null;
  /** Key, address (null = Anthropic's own) and models of Claude; null without a key. */
  readonly claude: { readonly apiKey: string; readonly baseUrl: string | null; readonly models: ModelTable } | null;
  readonly python: string;
  readonly workDir: string;
  readonly cacheDir: string;
  readonly foldsAtOnce: number;
  /** How many ideas Claude works on at a time. */
  readonly workers: number;
  /** What the folders of all runs may take together, where a volume has less than its disk; null = half of what is free. */
  readonly stagingMib: number | null;
  readonly podName: string | null;
  /** Who claims the attempt; null outside a pod. */
  readonly podUid: string | null;
  /** The runner container's door and the volume shared with it; null: programs run as children of this process. */
  readonly runner: { readonly socketPath: string; readonly runsDir: string } | null;
}

/** Where the product's own Python is, unless KAGGLE_AGENT_PYTHON names another. */
export const DEFAULT_PYTHON = fileURLToPath(new URL('../.venv/bin/python', import.meta.url));

/** Reads the environment once. Throws an Error that names each wrong variable or file and what it must be. */
export function readAgentConfig(env: Readonly<Record<string, string | undefined>>): AgentConfig {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The settings in the environment are wrong: ${problems.join('; ')}`);
  }
  const values = parsed.data;
  const spec = readJson('KAGGLE_AGENT_SPEC_FILE', values.KAGGLE_AGENT_SPEC_FILE, JobSpec);
  const home = resolve(values.KAGGLE_AGENT_WORK_DIR ?? join(tmpdir(), 'kaggle-agent'));
  return {
    spec,
    token: readSecret('KAGGLE_AGENT_TOKEN_FILE', values.KAGGLE_AGENT_TOKEN_FILE),
    storageUrl: values.KAGGLE_AGENT_STORAGE_URL,
    gcsEndpoint: values.KAGGLE_AGENT_GCS_ENDPOINT ?? null,
    sinkUrl: values.K_SINK ?? null,
    kaggleApiBase: values.KAGGLE_AGENT_KAGGLE_API_BASE,
    credentials: readCredentials(values.KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE),
    claude: readClaude(values),
    python: resolve(values.KAGGLE_AGENT_PYTHON ?? DEFAULT_PYTHON),
    workDir: join(home, `${spec.jobId}-a${spec.attempt}`),
    cacheDir: resolve(values.KAGGLE_AGENT_CACHE_DIR ?? join(home, 'cache')),
    foldsAtOnce: values.KAGGLE_AGENT_FOLDS_AT_ONCE,
    workers: values.KAGGLE_AGENT_WORKERS,
    stagingMib: values.KAGGLE_AGENT_STAGING_MIB ?? null,
    podName: values.KAGGLE_AGENT_POD_NAME ?? values.HOSTNAME ?? null,
    podUid: values.KAGGLE_AGENT_POD_UID ?? null,
    runner: readRunner(values, `${spec.jobId}-a${spec.attempt}`),
  };
}

/** Both or neither: a runner without a shared volume could be given nothing. */
function readRunner(values: z.output<typeof Environment>, attempt: string): AgentConfig['runner'] {
  const { KAGGLE_AGENT_RUNNER_SOCKET: socket, KAGGLE_AGENT_RUNS_DIR: dir } = values;
  if (socket === undefined && dir === undefined) return null;
  if (socket === undefined || dir === undefined) {
    throw new Error('KAGGLE_AGENT_RUNNER_SOCKET and KAGGLE_AGENT_RUNS_DIR go together: set both, or neither.');
  }
  return { socketPath: resolve(socket), runsDir: join(resolve(dir), attempt) };
}

function readClaude(values: z.output<typeof Environment>): AgentConfig['claude'] {
  const apiKey = readSecret('KAGGLE_AGENT_CLAUDE_KEY_FILE', values.KAGGLE_AGENT_CLAUDE_KEY_FILE);
  if (apiKey === null || apiKey === '') return null;
  return { apiKey, baseUrl: values.KAGGLE_AGENT_CLAUDE_API_BASE ?? null, models: readModels(values.KAGGLE_AGENT_MODELS_FILE) };
}

function readCredentials(path: string | undefined): Credentials | null {
  return path === undefined ? null : readJson('KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE', path, Credentials);
}

function readSecret(variable: string, path: string | undefined): string | null {
  return path === undefined ? null : readText(variable, path).trim();
}

function readJson<T extends z.ZodType>(variable: string, path: string, schema: T): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(readText(variable, path));
  } catch (error) {
    // The parser's own message would show bytes of the file, which may be a secret.
    throw error instanceof SyntaxError ? new Error(`${variable} names ${path}, which is not JSON.`) : error;
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'its form').join(', ');
  throw new Error(`${variable} names ${path}, which is wrong in: ${places}.`);
}

function readText(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Error(`${variable} names ${path}, which can't be read.`);
  }
}
