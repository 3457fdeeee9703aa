import type { ArtifactStore } from '#core/ports.ts';
import { Claim } from '#core/job-spec.ts';
import { keys } from '#core/names.ts';
import { ClaimLost } from './errors.ts';
import { createWithRetry, retryUnavailable } from './storing.ts';

/** Who this process is: made once, so that a repeated claim is recognised as its own. */
export interface Identity {
  readonly podUid: string;
  readonly nonce: string;
}

/** Takes the attempt's lock. Resolves when it is ours (also when our first reply was lost); throws ClaimLost when somebody else has it. */
export async function claimAttempt(store: ArtifactStore, jobId: string, attempt: number, identity: Identity): Promise<void> {
  const claim: Claim = { by: 'agent', attempt, podUid: identity.podUid, nonce: identity.nonce };
  const key = keys.claim(jobId, attempt);
  const outcome = await createWithRetry(store, { key, body: JSON.stringify(claim), contentType: 'application/json' });
  if (outcome.kind === 'created' || outcome.same) return;
  const bytes = await retryUnavailable(() => store.readObject(key, 4096));
  const holder = bytes === null ? null : parseClaim(bytes);
  if (holder?.by === 'agent' && holder.nonce === identity.nonce) return;
  const who = holder === null ? 'an unreadable claim' : holder.by === 'agent' ? `pod ${holder.podUid}` : 'the recorder';
  throw new ClaimLost(`attempt ${attempt} of job ${jobId} is claimed by ${who}`);
}

function parseClaim(bytes: Uint8Array): Claim | null {
  try {
    return Claim.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    return null;
  }
}
