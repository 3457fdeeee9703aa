import { z } from 'zod';

const dnsName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'expected a Kubernetes name');
const url = z.url({ protocol: /^https?$/ });
const Toleration = z.strictObject({
  key: z.string().exactOptional(),
  operator: z.enum(['Exists', 'Equal']).exactOptional(),
  value: z.string().exactOptional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).exactOptional(),
  tolerationSeconds: z.int().nonnegative().exactOptional(),
});

/**
 * What an installation decides about the pods of attempts: a ConfigMap's JSON file. Secrets are only named here. Resources are requests of the
 * agent's container; the runner's come with each order.
 */
export const PodSettings = z.strictObject({
  imagePullPolicy: z.enum(['IfNotPresent', 'Always', 'Never']).default('IfNotPresent'),
  imagePullSecret: dnsName.nullable().default(null),
  serviceAccountName: dnsName.default('attempt'),
  storageUrl: z.string().regex(/^gs:\/\/./, 'expected gs://bucket[/prefix]: pods share no folder with the functions'),
  gcsEndpoint: url.nullable().default(null),
  sinkUrl: url.nullable().default(null),
  kaggleApiBase: url.nullable().default(null),
  kaggleCredentialsSecret: dnsName.nullable().default(null),
  claudeKeySecret: dnsName.nullable().default(null),
  /** A gateway that speaks the Messages API; null = Anthropic's own. */
  claudeApiBase: url.nullable().default(null),
  /** A ConfigMap whose `models.json` names the models and their prices; null = those that are built in. */
  claudeModelsConfigMap: dnsName.nullable().default(null),
  runtimeClassName: dnsName.nullable().default(null),
  queueName: dnsName.nullable().default(null),
  priorityClassName: dnsName.nullable().default(null),
  nodeSelector: z.record(z.string(), z.string()).default({}),
  tolerations: z.array(Toleration).default([]),
  agentResources: z
    .strictObject({ cpuMillis: z.int().positive().default(250), memoryMib: z.int().positive().default(512) })
    .default({ cpuMillis: 250, memoryMib: 512 }),
  scratchMib: z.int().positive().default(4096),
  graceS: z.int().nonnegative().max(600).default(20),
});
export type PodSettings = z.infer<typeof PodSettings>;

/** What the pods of attempts run, and how: the same for every order of an installation. */
export interface JobSettings {
  readonly image: string;
  readonly pod: PodSettings;
  readonly agentCommand: readonly string[];
  /** Starts the sidecar that runs solutions: it must shut its own network out before it runs anything. */
  readonly runnerCommand: readonly string[];
}

/** Commands of the agent image. */
export const AGENT_COMMAND: readonly string[] = ['/usr/local/bin/node', '/app/agent.cjs'];
export const RUNNER_COMMAND: readonly string[] = [
  '/app/.venv/bin/python',
  '-I',
  '/app/agent/python/confine.py',
  '--',
  '/usr/local/bin/node',
  '/app/runner.cjs',
];

/**
 * Reads pod settings from JSON texts, each with the name that messages show. Later ones win, key by key, one level deep: the keys of an object
 * are merged, everything else is replaced. Throws an Error that names the file or the key and what it must be.
 */
export function parsePodSettings(files: readonly { readonly name: string; readonly text: string }[]): PodSettings {
  const merged: Record<string, unknown> = {};
  for (const { name, text } of files) {
    for (const [key, value] of Object.entries(parseObject(name, text))) {
      const before = merged[key];
      merged[key] = isObject(before) && isObject(value) ? { ...before, ...value } : value;
    }
  }
  const parsed = PodSettings.safeParse(merged);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the object'}: ${issue.message}`);
  throw new Error(`The pod settings (${files.map((file) => file.name).join(', ')}) are wrong: ${problems.join('; ')}`);
}

function parseObject(name: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`The pod settings file ${name} is not JSON: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  if (!isObject(value)) throw new Error(`The pod settings file ${name} must hold one JSON object.`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
