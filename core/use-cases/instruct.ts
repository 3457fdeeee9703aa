import type { Job } from '../job.ts';
import type { ArtifactStore, Clock, JobStore } from '../ports.ts';
import type { Instruction, StoredInstruction } from '../instruction.ts';
import { callerError, jobNotFound, unavailable } from '../errors.ts';
import { isFinal } from '../job.ts';
import { keys } from '../names.ts';
import { MAX_INSTRUCTIONS } from '../instruction.ts';

const CONFLICT_TRIES = 20;

/**
 * Puts an instruction where the job's attempt reads it, after those before it. It is stored before the answer is given; an attempt hears it within
 * seconds, a job that waits hears it when it starts. Throws AgentError 404, 400 when the job is final, 409 above 100 instructions.
 */
export async function instructJob(
  deps: {
    readonly store: Pick<JobStore, 'getJob'>;
    readonly artifacts: Pick<ArtifactStore, 'createObject' | 'listObjects'>;
    readonly clock: Clock;
  },
  params: { readonly tenant: string; readonly jobId: string; readonly instruction: Instruction },
): Promise<{ job: Job; seq: number }> {
  const { jobId, instruction } = params;
  const job = await deps.store.getJob(jobId);
  if (job === null || job.tenant !== params.tenant) throw jobNotFound(jobId);
  if (isFinal(job.state)) throw callerError('job-final', 400, `Job cannot be instructed in status: ${job.state}`);
  const prefix = keys.instructionPrefix(jobId);
  for (let tries = 0; tries < CONFLICT_TRIES; tries += 1) {
    const stored = await deps.artifacts.listObjects({ prefix, after: null, limit: MAX_INSTRUCTIONS });
    if (stored.length >= MAX_INSTRUCTIONS) {
      throw callerError(
        'too-many-instructions',
        409,
        `The job has ${MAX_INSTRUCTIONS} instructions: that is the most. Cancel it, or let it end.`,
      );
    }
    const seq = stored.length + 1;
    const body: StoredInstruction = { schemaVersion: 1, seq, at: deps.clock.now().toISOString(), instruction };
    const outcome = await deps.artifacts.createObject(keys.instruction(jobId, seq), JSON.stringify(body), 'application/json');
    // Somebody else took the number just now: the next one is free.
    if (outcome.kind === 'created') return { job, seq };
  }
  throw unavailable('The job is instructed too fast just now. Send the same request again.');
}
