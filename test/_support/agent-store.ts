import type { ExecutionContext } from 'ava';
import type { AgentEvent, Manifest } from '#core/report.ts';
import type { ArtifactStore } from '#core/ports.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { keys } from '#core/names.ts';
import { readManifest, readWords } from '#core/use-cases/read-agent.ts';
import { makeTempDir } from './kaggle-stand-in.ts';
import { join } from 'node:path';

/** A folder and a store in it, gone with the test. */
export async function makeStore(t: ExecutionContext): Promise<{ dir: string; store: ArtifactStore }> {
  const dir = await makeTempDir(t);
  return { dir, store: createDirectoryStore({ root: join(dir, 'objects'), durable: false }) };
}

/** Every event of an attempt, as the collector reads them. */
export async function readEvents(store: ArtifactStore, jobId: string, attempt: number): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  for (let afterSeq = 0; ;) {
    const words = await readWords(store, { jobId, attempt, afterSeq });
    events.push(...words.events);
    if (words.unreadable > 0) throw new Error(`${words.unreadable} events cannot be read`);
    if (!words.more) return events;
    afterSeq = words.lastSeq;
  }
}

/** The attempt's manifest, checked as the collector checks it; throws when it is missing or wrong. */
export async function readValidManifest(store: ArtifactStore, jobId: string, attempt: number): Promise<Manifest> {
  const read = await readManifest(store, { jobId, attempt });
  if (read?.kind !== 'valid') throw new Error(read === null ? 'there is no manifest' : read.problem);
  return read.manifest;
}

/** Text of an object; throws when it is missing. */
export async function readText(store: ArtifactStore, key: string): Promise<string> {
  const bytes = await store.readObject(key, 64 * 1024 * 1024);
  if (bytes === null) throw new Error(`${key} is missing`);
  return Buffer.from(bytes).toString('utf8');
}

/** Text of one result file of an attempt. */
export async function readResultFile(store: ArtifactStore, place: { jobId: string; attempt: number }, name: string): Promise<string> {
  return readText(store, keys.file(place.jobId, place.attempt, name));
}
