import { stat } from 'node:fs/promises';
import { createFolderKaggle, nameFolder } from '#agent/task/folder-kaggle.ts';
import { createKaggleClient } from '#adapters/kaggle/client.ts';
import type { Kaggle } from '#core/kaggle.ts';
import { parseCompetitionRef } from '#core/kaggle.ts';
import { listBundledCompetitions } from '#local/bundled.ts';
import { readKaggleCredentials } from '#local/credentials.ts';
import type { CommandContext } from './context.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';

/** Where a competition comes from: a folder, else a bundled one, else Kaggle with the credentials of the environment. Throws CliError. */
export async function findSource(text: string, env: CommandContext['env']): Promise<{ slug: string; kaggle: Kaggle }> {
  const isFolder = await stat(text).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (isFolder) return { slug: nameFolder(text), kaggle: createFolderKaggle(text) };
  const parsed = parseCompetitionRef(text);
  if (!parsed.ok) throw new CliError(`${text} is not a folder. ${parsed.message}`, EXIT_CODES.usage);
  const bundled = (await listBundledCompetitions()).find(({ slug }) => slug === parsed.slug);
  if (bundled !== undefined) return { slug: bundled.slug, kaggle: createFolderKaggle(bundled.dir) };
  const credentials = await readKaggleCredentials(env);
  if (credentials === null) {
    throw new CliError(
      `"${parsed.slug}" is not bundled, and there are no Kaggle credentials. Put a token in KAGGLE_API_TOKEN or ~/.kaggle/kaggle.json.`,
      EXIT_CODES.auth,
    );
  }
  return {
    slug: parsed.slug,
    kaggle: createKaggleClient({
      credentials,
      ...(env['KAGGLE_AGENT_KAGGLE_API_BASE'] !== undefined && { baseUrl: env['KAGGLE_AGENT_KAGGLE_API_BASE'] }),
    }),
  };
}
