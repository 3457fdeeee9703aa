import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callerError } from '#core/errors.ts';
import type { ArtifactStore } from '#core/ports.ts';
import { createDirectoryStore } from './directory.ts';

/** `gcsEndpoint`: an emulator's address. `durable: false`: no fsync in a folder (tests). */
export interface OpenStoreOptions {
  readonly gcsEndpoint?: string;
  readonly projectId?: string;
  readonly durable?: boolean;
}

/**
 * Opens the store of a URL: `file:/path`, `file:relative/path` or `gs://bucket/prefix`. Google's client is loaded only for `gs:`.
 * Throws AgentError `invalid-url` for anything else.
 */
export async function openArtifactStore(url: string, options: OpenStoreOptions = {}): Promise<ArtifactStore> {
  if (url.startsWith('file:')) {
    return createDirectoryStore({ root: readFolder(url), durable: options.durable ?? true });
  }
  const match = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(?:\/(.*))?$/.exec(url);
  if (match?.[1] === undefined) {
    throw callerError('invalid-url', 400, `storage URL ${JSON.stringify(url.slice(0, 200))} must be file:/path or gs://bucket/prefix`);
  }
  const { createGcsStore } = await import('./gcs.ts');
  return createGcsStore({
    bucket: match[1],
    prefix: match[2] ?? '',
    ...(options.gcsEndpoint === undefined ? {} : { apiEndpoint: options.gcsEndpoint }),
    ...(options.projectId === undefined ? {} : { projectId: options.projectId }),
  });
}

function readFolder(url: string): string {
  const path = url.slice('file:'.length);
  if (path === '' || path === '//')
    throw callerError('invalid-url', 400, 'storage URL file: needs a folder, as in file:/var/lib/kaggle-agent');
  if (!path.startsWith('//')) return resolve(path);
  try {
    return fileURLToPath(url);
  } catch {
    throw callerError('invalid-url', 400, `storage URL ${JSON.stringify(url.slice(0, 200))} is not a local folder`);
  }
}
