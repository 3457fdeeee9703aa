import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEMO_USER, createKaggleStandIn } from './kaggle/server.ts';
import type { DataFolder } from './data-folder.ts';
import type { LocalConfig } from './config.ts';
import { ANSWERS_DIR, EXAMPLES_DIR } from './bundled.ts';

/** Where the agent finds Kaggle, and with whose credentials. */
export interface KaggleAddress {
  readonly apiBaseUrl: string;
  readonly credentialsFile: string | null;
  /** Null when it is the real one. */
  readonly port: number | null;
  close(): Promise<void>;
}

/** Starts the bundled stand-in, unless another Kaggle is configured. It keeps its port over restarts, since running agents know it. */
export async function startStandIn(params: { readonly config: LocalConfig; readonly folder: DataFolder }): Promise<KaggleAddress> {
  const { config, folder } = params;
  if (config.kaggleApiBase !== null) {
    return { apiBaseUrl: config.kaggleApiBase, credentialsFile: config.kaggleCredentialsFile, port: null, close: () => Promise.resolve() };
  }
  const standIn = createKaggleStandIn({ examplesDir: EXAMPLES_DIR, answersDir: ANSWERS_DIR, stateDir: folder.kaggle });
  const wanted = folder.lastRun?.kaggle_port ?? 0;
  const { apiBaseUrl, port } = await standIn.listen(wanted).catch(() => standIn.listen(0));
  const credentialsFile = join(folder.root, 'kaggle-credentials.json');
  await writeFile(credentialsFile, JSON.stringify({ username: DEMO_USER.username, key: DEMO_USER.key }), { mode: 0o600 });
  for (const slug of standIn.slugs) standIn.control.acceptRules(DEMO_USER.username, slug);
  return { apiBaseUrl, credentialsFile, port, close: () => standIn.close() };
}
