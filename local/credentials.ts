import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { KaggleCredentials } from '#adapters/kaggle/client.ts';

const KeyFile = z.object({ username: z.string().min(1), key: z.string().min(1) });

/** Kaggle credentials where its own tools look: KAGGLE_API_TOKEN, KAGGLE_USERNAME + KAGGLE_KEY, `access_token`, `kaggle.json`. Null when there are none. */
export async function readKaggleCredentials(env: Readonly<Record<string, string | undefined>>): Promise<KaggleCredentials | null> {
  const { KAGGLE_API_TOKEN: token, KAGGLE_USERNAME: username, KAGGLE_KEY: key } = env;
  if (token !== undefined && token !== '') return { token: (await readText(token)) ?? token };
  if (username && key) return { username, key };
  const folder = join(homedir(), '.kaggle');
  const stored = await readText(join(folder, 'access_token'));
  if (stored !== null && stored !== '') return { token: stored };
  const file = await readText(join(env['KAGGLE_CONFIG_DIR'] ?? folder, 'kaggle.json'));
  if (file === null) return null;
  const parsed = KeyFile.safeParse(parseJson(file));
  return parsed.success ? parsed.data : null;
}

async function readText(path: string): Promise<string | null> {
  return readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
