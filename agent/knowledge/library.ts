import { createHash } from 'node:crypto';
import type { ArtifactStore, StoredObject } from '#core/ports.ts';
import type { KnownLesson } from './lesson.ts';
import { forEachLimited } from '#core/concurrency.ts';
import { keys } from '#core/names.ts';
import { createWithRetry } from '../storing.ts';
import { Lesson } from './lesson.ts';

const MOST_LESSONS = 200;
const MOST_LISTED = 5_000;
const PAGE = 1_000;
const MAX_BYTES = 4 * 1024;
const READS_AT_ONCE = 16;
const ID = /^[0-9a-f]{16}$/;
const OUTCOME = /^([0-9a-f]{16})\/([0-9a-f-]{36})-(helped|no)$/;

type ReadStore = Pick<ArtifactStore, 'listObjects' | 'readObject'>;

/** The tenant's newest lessons with what later jobs made of them. What cannot be read is told to `onCorrupt` and left out. */
export async function readLessons(store: ReadStore, tenant: string, onCorrupt: (key: string) => void): Promise<KnownLesson[]> {
  const prefix = keys.lessonPrefix(tenant);
  const stored = await listAll(store, prefix);
  const newest = stored.toSorted((left, right) => right.createdAt.getTime() - left.createdAt.getTime()).slice(0, MOST_LESSONS);
  if (newest.length === 0) return [];
  const outcomePrefix = keys.outcomePrefix(tenant);
  const outcomes = countOutcomes((await listAll(store, outcomePrefix)).map(({ key }) => key.slice(outcomePrefix.length)));
  const known: KnownLesson[] = [];
  await forEachLimited(newest, READS_AT_ONCE, async ({ key, bytes }) => {
    const id = key.slice(prefix.length);
    const lesson = bytes > MAX_BYTES || !ID.test(id) ? null : await readLesson(store, key, id);
    if (lesson === null) onCorrupt(key);
    else known.push({ id, lesson, ...(outcomes.get(id) ?? { helped: 0, tried: 0 }) });
  });
  return known.toSorted((left, right) => (left.id < right.id ? -1 : 1));
}

/** Keeps a lesson under the hash of its bytes; keeping it twice is harmless. Gives its id. */
export async function keepLesson(store: ArtifactStore, tenant: string, lesson: Lesson): Promise<string> {
  const body = JSON.stringify(Lesson.parse(lesson));
  const id = hash(body);
  await createWithRetry(store, { key: keys.lesson(tenant, id), body, contentType: 'application/json' });
  return id;
}

/** Keeps what a job made of a lesson. A job counts once: it helped when any of its tries did. */
export async function keepOutcome(
  store: ArtifactStore,
  { tenant, lesson, jobId }: { readonly tenant: string; readonly lesson: string; readonly jobId: string },
  helped: boolean,
): Promise<void> {
  const key = keys.outcome(tenant, lesson, jobId, helped);
  await createWithRetry(store, { key, body: '', contentType: 'text/plain; charset=utf-8' });
}

function countOutcomes(names: readonly string[]): Map<string, { readonly helped: number; readonly tried: number }> {
  const jobs = new Map<string, Map<string, boolean>>();
  for (const name of names) {
    const [, lesson, job, how] = OUTCOME.exec(name) ?? [];
    if (lesson === undefined || job === undefined) continue;
    const ofLesson = jobs.get(lesson) ?? new Map<string, boolean>();
    ofLesson.set(job, how === 'helped' || (ofLesson.get(job) ?? false));
    jobs.set(lesson, ofLesson);
  }
  return new Map([...jobs].map(([lesson, ends]) => [lesson, { helped: [...ends.values()].filter(Boolean).length, tried: ends.size }]));
}

async function readLesson(store: ReadStore, key: string, id: string): Promise<Lesson | null> {
  const bytes = await store.readObject(key, MAX_BYTES);
  if (bytes === null) return null;
  try {
    const text = Buffer.from(bytes).toString('utf8');
    return hash(text) === id ? Lesson.parse(JSON.parse(text)) : null;
  } catch {
    return null;
  }
}

async function listAll(store: ReadStore, prefix: string): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for (let after: string | null = null; found.length < MOST_LISTED; after = found.at(-1)?.key ?? null) {
    const page = await store.listObjects({ prefix, after, limit: PAGE });
    found.push(...page);
    if (page.length < PAGE) break;
  }
  return found;
}

function hash(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 16);
}
