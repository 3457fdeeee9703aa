import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentSettings } from '#adapters/cluster/process/agent-command.ts';
import type { LocalConfig } from './config.ts';

/** The key of Claude's API: in the file that KAGGLE_AGENT_CLAUDE_KEY_FILE names, else in ANTHROPIC_API_KEY. Null when there is none. Throws when the file cannot be read. */
export async function readClaudeKey(env: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  const path = env['KAGGLE_AGENT_CLAUDE_KEY_FILE'];
  if (path === undefined || path === '') return env['ANTHROPIC_API_KEY']?.trim() || null;
  try {
    return (await readFile(path, 'utf8')).trim() || null;
  } catch {
    throw new Error(`KAGGLE_AGENT_CLAUDE_KEY_FILE names ${path}, which can't be read.`);
  }
}

/** What the agent's process is told of Claude: a key that came in a variable is put into a file of the data folder, for its eyes only. */
export async function prepareClaude(
  { claude }: Pick<LocalConfig, 'claude'>,
  folder: { readonly root: string },
): Promise<AgentSettings['claude']> {
  const { keyFile, key, apiBase, modelsFile } = claude;
  if (keyFile !== null) return { keyFile, apiBase, modelsFile };
  if (key === null) return null;
  const path = join(folder.root, 'claude-key');
  await rm(path, { force: true });
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return { keyFile: path, apiBase, modelsFile };
}
