import type { ArtifactStore, StoredObject } from '#core/ports.ts';
import type { FileToSend } from './send-file.ts';
import type { Job } from '#core/job.ts';
import { BestRecord } from '#core/report.ts';
import { keys } from '#core/names.ts';

const PAGE = 500;
const MAX_RECORD_BYTES = 64 * 1024;

/** The newest valid submission that an unfinished or cut-off job has stored, from its last attempt backwards; null when there is none. */
export async function findBest(artifacts: ArtifactStore, job: Job): Promise<FileToSend | null> {
  for (let attempt = job.attempt; attempt >= 1; attempt -= 1) {
    const records = (await listAll(artifacts, keys.bestPrefix(job.id, attempt))).filter(({ key }) => key.endsWith('.json')).reverse();
    for (const { key } of records) {
      const record = await readRecord(artifacts, key);
      if (record === null || record.jobId !== job.id || !record.file.key.startsWith(keys.attemptPrefix(job.id, attempt))) continue;
      const labels = { quality: record.quality, partial: true, attempt, score: record.cv?.score ?? null };
      return { file: record.file, labels };
    }
  }
  return null;
}

async function readRecord(artifacts: ArtifactStore, key: string): Promise<BestRecord | null> {
  const bytes = await artifacts.readObject(key, MAX_RECORD_BYTES);
  if (bytes === null) return null;
  try {
    return BestRecord.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null;
  } catch {
    return null;
  }
}

/** Every object under a prefix, in key order. */
export async function listAll(artifacts: ArtifactStore, prefix: string): Promise<StoredObject[]> {
  const all: StoredObject[] = [];
  for (;;) {
    const page = await artifacts.listObjects({ prefix, after: all.at(-1)?.key ?? null, limit: PAGE });
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}
