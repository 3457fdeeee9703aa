/** The last 8 hex digits of a job id: the first ones of a UUIDv7 are the clock, and would clash. */
export function shortId(jobId: string): string {
  return jobId.replaceAll('-', '').slice(-8);
}

/** Kubernetes name of a job's attempt: `kaggle-<slug, cut to 40>-<id8>`, `-a2`, `-a3` for later attempts; a valid DNS label. */
export function buildJobName(slug: string, jobId: string, attempt: number): string {
  const readable = slug
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
    .slice(0, 40)
    .replaceAll(/-+$/g, '');
  const base = `kaggle-${readable}-${shortId(jobId)}`;
  return attempt <= 1 ? base : `${base}-a${attempt}`;
}

/** Keys of everything that is kept in object storage: of one job, and what a tenant's jobs learn from each other. All objects are create-only. */
export const keys = {
  attemptPrefix: (jobId: string, attempt: number) => `jobs/${jobId}/a${attempt}/`,
  claim: (jobId: string, attempt: number) => `jobs/${jobId}/a${attempt}/claim`,
  eventPrefix: (jobId: string, attempt: number) => `jobs/${jobId}/a${attempt}/events/`,
  event: (jobId: string, attempt: number, seq: number) => `jobs/${jobId}/a${attempt}/events/${padSeq(seq)}`,
  manifest: (jobId: string, attempt: number) => `jobs/${jobId}/a${attempt}/manifest.json`,
  file: (jobId: string, attempt: number, name: string) => `jobs/${jobId}/a${attempt}/files/${name}`,
  bestPrefix: (jobId: string, attempt: number) => `jobs/${jobId}/a${attempt}/best/`,
  best: (jobId: string, attempt: number, seq: number) => `jobs/${jobId}/a${attempt}/best/${padSeq(seq)}.json`,
  bestFile: (jobId: string, attempt: number, seq: number, extension = '.csv') =>
    `jobs/${jobId}/a${attempt}/best/${padSeq(seq)}${extension}`,
  logPrefix: (jobId: string, attempt: number) => `jobs/${jobId}/a${attempt}/logs/`,
  log: (jobId: string, attempt: number, seq: number) => `jobs/${jobId}/a${attempt}/logs/${padSeq(seq)}`,
  journalPrefix: (jobId: string) => `jobs/${jobId}/journal/`,
  journal: (jobId: string, seq: number) => `jobs/${jobId}/journal/${padSeq(seq)}`,
  state: (jobId: string, name: string) => `jobs/${jobId}/state/${name}`,
  solution: (jobId: string, number: number, name: string) => `jobs/${jobId}/solutions/${padSeq(number)}/${name}`,
  reply: (jobId: string, attempt: number, call: number) => `jobs/${jobId}/claude/a${attempt}-${padSeq(call)}.json`,
  instructionPrefix: (jobId: string) => `jobs/${jobId}/instructions/`,
  instruction: (jobId: string, seq: number) => `jobs/${jobId}/instructions/${padSeq(seq)}`,
  lessonPrefix: (tenant: string) => `knowledge/${tenant}/lessons/`,
  lesson: (tenant: string, id: string) => `knowledge/${tenant}/lessons/${id}`,
  outcomePrefix: (tenant: string) => `knowledge/${tenant}/outcomes/`,
  outcome: (tenant: string, lesson: string, jobId: string, helped: boolean) =>
    `knowledge/${tenant}/outcomes/${lesson}/${jobId}-${helped ? 'helped' : 'no'}`,
  result: (jobId: string, attempt: number, name: string) => `results/${jobId}/a${attempt}/${name}`,
} as const;

/** Sequence numbers are padded so that a listing by name is in order. */
export function padSeq(seq: number): string {
  return String(seq).padStart(8, '0');
}
