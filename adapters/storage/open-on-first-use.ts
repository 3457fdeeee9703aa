import type { ArtifactStore } from '#core/ports.ts';
import { openArtifactStore } from './open.ts';
import type { OpenStoreOptions } from './open.ts';

/**
 * A store that is opened by its first call, for functions that answer most requests without one: Google's client alone costs more time than the
 * rest of their start. A wrong URL is found by that call, which throws as `openArtifactStore` does; a failed opening is tried again.
 */
export function openArtifactStoreOnFirstUse(url: string, options: OpenStoreOptions = {}): ArtifactStore {
  let opened: Promise<ArtifactStore> | null = null;
  const open = async (): Promise<ArtifactStore> => {
    opened ??= openArtifactStore(url, options);
    return opened.catch((error: unknown) => {
      opened = null;
      throw error;
    });
  };
  return {
    createObject: async (key, body, contentType) => (await open()).createObject(key, body, contentType),
    createObjectFromFile: async (key, path, contentType) => (await open()).createObjectFromFile(key, path, contentType),
    copyObject: async (from, to) => (await open()).copyObject(from, to),
    statObject: async (key) => (await open()).statObject(key),
    readObject: async (key, maxBytes) => (await open()).readObject(key, maxBytes),
    openObject: async (key, range) => (await open()).openObject(key, range),
    listObjects: async (params) => (await open()).listObjects(params),
    deletePrefix: async (prefix) => (await open()).deletePrefix(prefix),
    ping: async () => (await open()).ping(),
  };
}
