import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunCommand, RunPlace } from './launch-run.ts';
import type { RunOrder } from '#core/ports.ts';

/** What the agent's process is told by its environment; secrets only as paths of files that it may read. */
export interface AgentSettings {
  readonly storageUrl: string;
  readonly signalsUrl: string;
  readonly kaggleApiBase: string | null;
  readonly kaggleCredentialsFile: string | null;
  readonly claude?: { readonly keyFile: string; readonly apiBase: string | null; readonly modelsFile: string | null } | null;
  readonly python: string | null;
  /** Program that replaces the agent: tests run a stub. */
  readonly entry?: string;
  readonly extraEnv?: Readonly<Record<string, string>>;
}

const AGENT_ENTRY = fileURLToPath(new URL('../../../agent/main.ts', import.meta.url));

/** Memory and output of the agent itself, and how long it may take to end well: the same wherever it runs as a process. */
export const AGENT_LIMITS = { agentMemoryMib: 1536, outputBytes: 4 * 2 ** 20 } as const;
export const AGENT_GRACE_MS = 20_000;

/** The command of one attempt on this machine: this process's own Node running the agent, with nothing inherited. */
export function buildAgentCommand(settings: AgentSettings): (order: RunOrder, place: RunPlace) => RunCommand {
  return (_order, place) => ({
    file: process.execPath,
    args: [settings.entry ?? AGENT_ENTRY],
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'C.UTF-8',
      HOME: place.workDir,
      NODE_COMPILE_CACHE: join(place.workDir, '..', '..', '.cache', 'node'),
      KAGGLE_AGENT_SPEC_FILE: place.specFile,
      KAGGLE_AGENT_WORK_DIR: place.workDir,
      KAGGLE_AGENT_STORAGE_URL: settings.storageUrl,
      K_SINK: settings.signalsUrl,
      ...(settings.kaggleApiBase !== null && { KAGGLE_AGENT_KAGGLE_API_BASE: settings.kaggleApiBase }),
      ...(settings.python !== null && { KAGGLE_AGENT_PYTHON: settings.python }),
      ...(settings.kaggleCredentialsFile !== null && { KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: settings.kaggleCredentialsFile }),
      ...describeClaude(settings.claude ?? null),
      ...settings.extraEnv,
    },
  });
}

function describeClaude(claude: NonNullable<AgentSettings['claude']> | null): Record<string, string> {
  if (claude === null) return {};
  return {
    KAGGLE_AGENT_CLAUDE_KEY_FILE: claude.keyFile,
    ...(claude.apiBase !== null && { KAGGLE_AGENT_CLAUDE_API_BASE: claude.apiBase }),
    ...(claude.modelsFile !== null && { KAGGLE_AGENT_MODELS_FILE: claude.modelsFile }),
  };
}
