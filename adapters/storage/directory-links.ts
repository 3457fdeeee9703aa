import { createHash } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { compareKeys } from './keys.ts';
import { systemCode } from './directory-files.ts';

/**
 * An object is one symbolic link at `keys/<key>` whose target names the bytes *and* all that is known of them. Making a link is one
 * atomic create-only step, so an object is whole or absent after any crash, and its hash needs no second file.
 */
export interface LinkFacts {
  readonly bytes: number;
  readonly sha256: string;
  readonly contentType: string;
}

const TARGET = /^(?:\.\.\/)+blobs\/[0-9a-f]{2}\/[0-9a-f]{32}\.(\d{1,15})\.([0-9a-f]{64})\.([A-Za-z0-9_-]{1,120})$/;

/** Path of an object's bytes below the store's root; the same for the same key, bytes and type. */
export function buildBlobPath(key: string, facts: LinkFacts): string {
  const keyHash = createHash('sha256').update(key).digest('hex').slice(0, 32);
  const type = Buffer.from(facts.contentType).toString('base64url');
  return `blobs/${keyHash.slice(0, 2)}/${keyHash}.${facts.bytes}.${facts.sha256}.${type}`;
}

/** Target of the link at `keys/<key>`. */
export function buildLinkTarget(key: string, facts: LinkFacts): string {
  return `${'../'.repeat(key.split('/').length)}${buildBlobPath(key, facts)}`;
}

/** Null unless the target is exactly what `buildLinkTarget` makes for this key: a planted link is no object. */
export function parseLinkTarget(key: string, target: string): LinkFacts | null {
  const match = TARGET.exec(target);
  if (match === null) return null;
  const [, bytes = '', sha256 = '', type = ''] = match;
  const facts = { bytes: Number(bytes), sha256, contentType: Buffer.from(type, 'base64url').toString() };
  return buildLinkTarget(key, facts) === target ? facts : null;
}

/** What the link of a key says; null when there is no object there (nothing, a folder, or a link that is not ours). */
export async function readLinkFacts(keysRoot: string, key: string): Promise<LinkFacts | null> {
  try {
    return parseLinkTarget(key, await readlink(join(keysRoot, key)));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EINVAL'].includes(systemCode(error) ?? '')) return null;
    throw error;
  }
}

/** Keys of links below a prefix, in key order, after `after`. Reads only folders that can hold such keys; follows no link. */
export async function* walkKeys(keysRoot: string, prefix: string, after: string | null): AsyncGenerator<string> {
  yield* walkFolder(keysRoot, prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix, after);
}

async function* walkFolder(keysRoot: string, folder: string, prefix: string, after: string | null): AsyncGenerator<string> {
  const entries = await readdir(join(keysRoot, folder), { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw error;
  });
  const keys: string[] = [];
  for (const entry of entries) {
    const key = folder + entry.name + (entry.isDirectory() ? '/' : '');
    if (!key.startsWith(prefix)) continue;
    if (after !== null && compareKeys(key, after) <= 0 && !(entry.isDirectory() && after.startsWith(key))) continue;
    if (entry.isDirectory() || entry.isSymbolicLink()) keys.push(key);
  }
  for (const key of sortKeys(keys)) {
    if (key.endsWith('/')) yield* walkFolder(keysRoot, key, prefix, after);
    else yield key;
  }
}

function sortKeys(keys: string[]): string[] {
  const plain = keys.every((key) => !/[\ud800-\uffff]/.test(key));
  return plain ? keys.sort() : keys.sort(compareKeys);
}
