import { join } from 'node:path';
import type { RunOrder } from '#core/ports.ts';
import { PROJECT_DIR } from './config.ts';

/** What the agent's process is told by its environment; secrets only as paths of files that it may read. */
export interface AgentSettings {
  readonly storageUrl: string;
  readonly signalsUrl: string;
  readonly kaggleApiBase: string;
  readonly kaggleCredentialsFile: string | null;
  readonly python: string;
  /** Entry that replaces `agent/main.ts`: tests run a stub. */
  readonly entry?: string;
  readonly extraEnv?: Readonly<Record<string, string>>;
}

/** The command of one attempt on this machine: Node running the agent, with nothing inherited. */
export function buildAgentCommand(settings: AgentSettings) {
  return (
    _order: RunOrder,
    place: { readonly specFile: string; readonly workDir: string },
  ): { file: string; args: string[]; env: Record<string, string> } => ({
    file: process.execPath,
    args: [settings.entry ?? join(PROJECT_DIR, 'agent/main.ts')],
    env: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'C.UTF-8',
      HOME: place.workDir,
      NODE_COMPILE_CACHE: join(place.workDir, '..', '.cache', 'node'),
      KAGGLE_AGENT_SPEC_FILE: place.specFile,
      KAGGLE_AGENT_WORK_DIR: place.workDir,
      KAGGLE_AGENT_STORAGE_URL: settings.storageUrl,
      KAGGLE_AGENT_KAGGLE_API_BASE: settings.kaggleApiBase,
      KAGGLE_AGENT_PYTHON: settings.python,
      K_SINK: settings.signalsUrl,
      ...(settings.kaggleCredentialsFile !== null && { KAGGLE_AGENT_KAGGLE_CREDENTIALS_FILE: settings.kaggleCredentialsFile }),
      ...settings.extraEnv,
    },
  });
}
