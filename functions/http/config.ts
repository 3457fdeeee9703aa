import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { parseOverrides } from '#adapters/broker/ce-overrides.ts';
import type { Authenticator } from './auth.ts';
import type { RequestLimits } from '#core/requests.ts';
import { DEFAULT_LIMITS } from '#core/requests.ts';
import { isLoopbackHost } from './guard.ts';
import { parseApiKeys } from './auth.ts';

const words = z
  .string()
  .default('')
  .transform((text) => text.split(/[\s,]+/).filter((word) => word !== ''));
const count = (fallback: number, max: number) => z.coerce.number().int().min(1).max(max).default(fallback);

const Environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(8000),
  K_SERVICE: z.string().optional(),
  K_SINK: z.url({ protocol: /^https?$/ }).optional(),
  K_CE_OVERRIDES: z.string().optional(),
  KUBECONFIG: z.string().min(1).optional(),
  KAGGLE_AGENT_HOST: z.string().min(1).optional(),
  KAGGLE_AGENT_PROFILE: z.enum(['dev', 'production']).default('production'),
  KAGGLE_AGENT_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'expected postgres://…'),
  KAGGLE_AGENT_DATABASE_CONNECTIONS: count(4, 100),
  KAGGLE_AGENT_STORAGE_URL: z
    .string()
    .regex(/^(file:|gs:\/\/)/, 'expected file:… or gs://…')
    .optional(),
  KAGGLE_AGENT_GCS_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_ALLOWED_HOSTS: words,
  KAGGLE_AGENT_ALLOWED_ORIGINS: words,
  KAGGLE_AGENT_API_KEYS_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_PLANE_KEY_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_INTAKE_URL: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_SIGNALS_URL: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_LAUNCHER_URL: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_ATTEMPTS_DIR: z.string().min(1).optional(),
  KAGGLE_AGENT_RUNS_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "expected a namespace's name")
    .optional(),
  KAGGLE_AGENT_AGENT_IMAGE: z.string().min(1).optional(),
  KAGGLE_AGENT_POD_SETTINGS_FILE: words,
  KAGGLE_AGENT_KAGGLE_API_BASE: z.url({ protocol: /^https?$/ }).optional(),
  KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: z.string().min(1).optional(),
  KAGGLE_AGENT_PYTHON: z.string().min(1).optional(),
  KAGGLE_AGENT_AGENT_ENTRY: z.string().min(1).optional(),
  KAGGLE_AGENT_REQUEST_TIMEOUT_S: count(300, 3600),
  KAGGLE_AGENT_CAP: count(20, 1000),
  KAGGLE_AGENT_RETENTION_DAYS: count(90, 3650),
  KAGGLE_AGENT_MAX_TIME_LIMIT_S: count(DEFAULT_LIMITS.maxTimeLimitS, 86_400),
  KAGGLE_AGENT_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** Attempts are Kubernetes Jobs of a namespace, or processes of this machine. */
export type ClusterSettings =
  | {
      readonly kind: 'kubernetes';
      readonly namespace: string;
      /** Null = the service account of the pod. */
      readonly kubeconfig: string | null;
      readonly podSettingsFiles: readonly string[];
    }
  | { readonly kind: 'processes'; readonly dir: string };

/** Settings of one function's process. */
export interface FunctionConfig {
  readonly port: number;
  readonly host: string;
  readonly databaseUrl: string;
  readonly databaseConnections: number;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Null = authentication is off. */
  readonly authenticator: Authenticator | null;
  readonly requestTimeoutS: number;
  /** Streams end themselves this long after their start: 10 s before the platform cuts them. */
  readonly maxStreamMs: number;
  readonly cap: number;
  /** How the storage of KAGGLE_AGENT_STORAGE_URL is opened: an emulator's address, in development. */
  readonly storageOptions: { readonly gcsEndpoint?: string };
  /** Extension attributes that a sink binding adds to every event (K_CE_OVERRIDES). */
  readonly eventOverrides: Readonly<Record<string, string>>;
  /** Where attempts run; null when neither place is named, or both are (`clusterProblem` says which). */
  readonly cluster: ClusterSettings | null;
  readonly clusterProblem: string;
  /** What the agent's processes are told, where attempts are processes of this machine. */
  readonly agent: {
    readonly kaggleApiBase: string | null;
    readonly kaggleCredentialsFile: string | null;
    readonly python: string | null;
    readonly entry: string | null;
  };
  readonly retentionDays: number;
  readonly limits: RequestLimits;
  readonly logLevel: string;
  /** A setting that this function can't do without. Throws naming the variable. */
  require(name: 'storageUrl' | 'agentImage' | 'intakeUrl' | 'signalsUrl' | 'launcherUrl' | 'planeKey'): string;
}

/**
 * Reads the environment once. `isPublic` functions refuse to start without API keys unless they listen on loopback or the profile is `dev`.
 * Throws an Error that names each wrong variable and what it must be.
 */
export function readFunctionConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly isPublic: boolean },
): FunctionConfig {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The settings in the environment are wrong: ${problems.join('; ')}`);
  }
  const values = parsed.data;
  const host = values.KAGGLE_AGENT_HOST ?? (values.K_SERVICE === undefined ? '127.0.0.1' : '0.0.0.0');
  const keysFile = values.KAGGLE_AGENT_API_KEYS_FILE;
  if (options.isPublic && keysFile === undefined && !isLoopbackHost(host) && values.KAGGLE_AGENT_PROFILE !== 'dev') {
    throw new Error(
      'KAGGLE_AGENT_API_KEYS_FILE is missing: without API keys this function listens on loopback only, or with KAGGLE_AGENT_PROFILE=dev.',
    );
  }
  const optional: Readonly<Record<string, readonly [string, string | undefined]>> = {
    storageUrl: ['KAGGLE_AGENT_STORAGE_URL', values.KAGGLE_AGENT_STORAGE_URL],
    agentImage: ['KAGGLE_AGENT_AGENT_IMAGE', values.KAGGLE_AGENT_AGENT_IMAGE],
    intakeUrl: ['KAGGLE_AGENT_INTAKE_URL (or K_SINK)', values.KAGGLE_AGENT_INTAKE_URL ?? values.K_SINK],
    signalsUrl: ['KAGGLE_AGENT_SIGNALS_URL', values.KAGGLE_AGENT_SIGNALS_URL],
    launcherUrl: ['KAGGLE_AGENT_LAUNCHER_URL', values.KAGGLE_AGENT_LAUNCHER_URL],
    planeKey: ['KAGGLE_AGENT_PLANE_KEY_FILE', readSecret('KAGGLE_AGENT_PLANE_KEY_FILE', values.KAGGLE_AGENT_PLANE_KEY_FILE)],
  };
  return {
    port: values.PORT,
    host,
    databaseUrl: values.KAGGLE_AGENT_DATABASE_URL,
    databaseConnections: values.KAGGLE_AGENT_DATABASE_CONNECTIONS,
    allowedHosts: [...values.KAGGLE_AGENT_ALLOWED_HOSTS, ...(values.K_SERVICE === undefined ? [] : ['.svc.cluster.local', '.svc'])],
    allowedOrigins: values.KAGGLE_AGENT_ALLOWED_ORIGINS,
    authenticator: keysFile === undefined ? null : parseApiKeys(readSecret('KAGGLE_AGENT_API_KEYS_FILE', keysFile) ?? ''),
    requestTimeoutS: values.KAGGLE_AGENT_REQUEST_TIMEOUT_S,
    maxStreamMs: Math.max(1, values.KAGGLE_AGENT_REQUEST_TIMEOUT_S - 10) * 1000,
    cap: values.KAGGLE_AGENT_CAP,
    storageOptions: values.KAGGLE_AGENT_GCS_ENDPOINT === undefined ? {} : { gcsEndpoint: values.KAGGLE_AGENT_GCS_ENDPOINT },
    eventOverrides: parseOverrides(values.K_CE_OVERRIDES),
    ...readCluster(values),
    agent: {
      kaggleApiBase: values.KAGGLE_AGENT_KAGGLE_API_BASE ?? null,
      kaggleCredentialsFile: values.KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE ?? null,
      python: values.KAGGLE_AGENT_PYTHON ?? null,
      entry: values.KAGGLE_AGENT_AGENT_ENTRY ?? null,
    },
    retentionDays: values.KAGGLE_AGENT_RETENTION_DAYS,
    limits: { ...DEFAULT_LIMITS, maxTimeLimitS: values.KAGGLE_AGENT_MAX_TIME_LIMIT_S },
    logLevel: values.KAGGLE_AGENT_LOG_LEVEL,
    require(name) {
      const [variable, value] = optional[name] ?? [name, undefined];
      if (value === undefined || value === '') throw new Error(`${variable} is missing: this function can't work without it.`);
      return value;
    },
  };
}

function readCluster(values: z.infer<typeof Environment>): Pick<FunctionConfig, 'cluster' | 'clusterProblem'> {
  const { KAGGLE_AGENT_RUNS_NAMESPACE: namespace, KAGGLE_AGENT_ATTEMPTS_DIR: dir } = values;
  const choice = 'KAGGLE_AGENT_RUNS_NAMESPACE (Kubernetes Jobs of that namespace) or KAGGLE_AGENT_ATTEMPTS_DIR (processes of this machine)';
  if (namespace !== undefined && dir !== undefined) {
    return { cluster: null, clusterProblem: `Attempts can run in one place only: unset one of ${choice}.` };
  }
  if (dir !== undefined) return { cluster: { kind: 'processes', dir }, clusterProblem: '' };
  if (namespace === undefined) return { cluster: null, clusterProblem: `This function must know where attempts run: set ${choice}.` };
  const kubeconfig = values.KUBECONFIG ?? null;
  return {
    cluster: { kind: 'kubernetes', namespace, kubeconfig, podSettingsFiles: values.KAGGLE_AGENT_POD_SETTINGS_FILE },
    clusterProblem: '',
  };
}

function readSecret(variable: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    throw new Error(`${variable} names ${path}, which can't be read.`);
  }
}
