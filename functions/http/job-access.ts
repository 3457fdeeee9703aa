import type { Job } from '#core/job.ts';
import type { JobStore } from '#core/ports.ts';
import { jobNotFound } from '#core/errors.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The id in its stored form. Throws the 404 of an unknown job for anything that can't be one: no such text reaches the ledger. */
export function parseJobId(text: string): string {
  if (!UUID.test(text)) throw jobNotFound(printable(text));
  return text.toLowerCase();
}

/** The tenant's job. Throws 404 for an unknown one and, alike, for another tenant's. */
export async function findJob(store: Pick<JobStore, 'getJob'>, tenant: string, idText: string): Promise<Job> {
  const id = parseJobId(idText);
  const job = await store.getJob(id);
  if (job === null || job.tenant !== tenant) throw jobNotFound(id);
  return job;
}

/** Untrusted text for an error sentence: control characters and broken Unicode replaced. */
export function printable(text: string): string {
  return text.toWellFormed().replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
