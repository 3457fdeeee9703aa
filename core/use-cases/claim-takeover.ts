import type { ArtifactStore } from '../ports.ts';
import { Claim } from '../job-spec.ts';
import { keys } from '../names.ts';

const MAX_CLAIM_BYTES = 4096;

/** Reads an attempt's claim object; null when nobody has claimed it. */
export async function readClaim(artifacts: ArtifactStore, jobId: string, attempt: number): Promise<Claim | null> {
  const body = await artifacts.readObject(keys.claim(jobId, attempt), MAX_CLAIM_BYTES);
  if (body === null) return null;
  const parsed = Claim.safeParse(parseJson(new TextDecoder().decode(body)));
  // A claim that can't be read is still a claim: somebody holds the attempt.
  return parsed.success ? parsed.data : { by: 'agent', attempt, podUid: 'unreadable', nonce: 'unreadable' };
}

/**
 * Takes the claim for the recorder, so that no agent of this attempt can start any more (protocol: whoever ends an unclaimed attempt
 * claims it first). `agent` = an agent was first; whether it still lives is the cluster's to say.
 */
export async function takeClaim(artifacts: ArtifactStore, jobId: string, attempt: number): Promise<'recorder' | 'agent'> {
  const body = JSON.stringify({ by: 'recorder', attempt } satisfies Claim);
  const outcome = await artifacts.createObject(keys.claim(jobId, attempt), body, 'application/json');
  if (outcome.kind === 'created' || outcome.same) return 'recorder';
  return 'agent';
}

/** JSON or undefined; object storage is read as hostile bytes. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
