import type { ArtifactStore, AttemptWithJob } from '../ports.ts';
import { AgentEvent, BestRecord, Manifest } from '../report.ts';
import { keys } from '../names.ts';
import { parseJson } from './claim-takeover.ts';

const MAX_EVENT_BYTES = 64 * 1024;
const MAX_MANIFEST_BYTES = 256 * 1024;
const EVENT_PAGE = 200;
const BEST_PAGE = 1000;

/** What an attempt has said since `afterSeq`, in order; unreadable objects are counted and skipped, `lastSeq` passes over them. */
export interface AgentWords {
  readonly events: readonly AgentEvent[];
  readonly lastSeq: number;
  readonly unreadable: number;
  readonly more: boolean;
}

/** Reads the next event objects of an attempt from storage: the agent's word, of which CloudEvents are only hints. */
export async function readWords(
  artifacts: ArtifactStore,
  params: { jobId: string; attempt: number; afterSeq: number },
): Promise<AgentWords> {
  const { jobId, attempt, afterSeq } = params;
  const objects = await artifacts.listObjects({
    prefix: keys.eventPrefix(jobId, attempt),
    after: keys.event(jobId, attempt, afterSeq),
    limit: EVENT_PAGE,
  });
  const events: AgentEvent[] = [];
  let lastSeq = afterSeq;
  let unreadable = 0;
  for (const object of objects) {
    const seq = Number(object.key.slice(-8));
    // A gap means that an earlier event is still being written: it will be read next time.
    if (seq !== lastSeq + 1) break;
    const body = object.bytes > MAX_EVENT_BYTES ? null : await artifacts.readObject(object.key, MAX_EVENT_BYTES);
    const parsed = AgentEvent.safeParse(body === null ? undefined : parseJson(new TextDecoder().decode(body)));
    if (parsed.success && parsed.data.seq === seq) events.push(parsed.data);
    else unreadable += 1;
    lastSeq = seq;
  }
  return { events, lastSeq, unreadable, more: objects.length === EVENT_PAGE };
}

/** A valid manifest, why it is not valid, or null when there is none. Every hash is checked against the stored objects. */
export async function readManifest(
  artifacts: ArtifactStore,
  params: { readonly jobId: string; readonly attempt: number },
): Promise<{ kind: 'valid'; manifest: Manifest; writtenAt: Date } | { kind: 'invalid'; problem: string } | null> {
  const { jobId, attempt } = params;
  const key = keys.manifest(jobId, attempt);
  const object = await artifacts.statObject(key);
  if (object === null) return null;
  const body = object.bytes > MAX_MANIFEST_BYTES ? null : await artifacts.readObject(key, MAX_MANIFEST_BYTES);
  const parsed = Manifest.safeParse(body === null ? undefined : parseJson(new TextDecoder().decode(body)));
  if (!parsed.success) return { kind: 'invalid', problem: 'its manifest is not in the agreed form' };
  const manifest = parsed.data;
  if (manifest.jobId !== jobId || manifest.attempt !== attempt) return { kind: 'invalid', problem: 'its manifest names another attempt' };
  for (const file of manifest.files) {
    const problem = await checkFile(artifacts, file, jobId, attempt);
    if (problem !== null) return { kind: 'invalid', problem };
  }
  return { kind: 'valid', manifest, writtenAt: object.createdAt };
}

async function checkFile(
  artifacts: ArtifactStore,
  file: { readonly name: string; readonly key: string; readonly sha256: string; readonly bytes: number },
  jobId: string,
  attempt: number,
): Promise<string | null> {
  // An earlier attempt's files may be named too: a resumed attempt adopts what it found.
  const prefixes = Array.from({ length: attempt }, (_, index) => keys.attemptPrefix(jobId, index + 1));
  if (!prefixes.some((prefix) => file.key.startsWith(prefix))) return `${file.name} lies outside the job's own folder`;
  const stored = await artifacts.statObject(file.key);
  if (stored === null) return `${file.name} is missing in storage`;
  if (stored.sha256 !== file.sha256 || stored.bytes !== file.bytes) return `${file.name} has other bytes than its manifest says`;
  return null;
}

/** The newest best-so-far record of the job whose file is whole, over all attempts; null when there is none. */
export async function readBest(artifacts: ArtifactStore, read: Pick<AttemptWithJob, 'job'>): Promise<BestRecord | null> {
  const { id, attempt: last } = read.job;
  for (let attempt = last; attempt >= 1; attempt -= 1) {
    const objects = await artifacts.listObjects({ prefix: keys.bestPrefix(id, attempt), after: null, limit: BEST_PAGE });
    for (const object of objects.filter(({ key }) => key.endsWith('.json')).reverse()) {
      const body = object.bytes > MAX_EVENT_BYTES ? null : await artifacts.readObject(object.key, MAX_EVENT_BYTES);
      const parsed = BestRecord.safeParse(body === null ? undefined : parseJson(new TextDecoder().decode(body)));
      if (parsed.success && (await checkFile(artifacts, parsed.data.file, id, attempt)) === null) return parsed.data;
    }
  }
  return null;
}
