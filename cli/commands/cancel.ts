import type { CommandContext, OutputFlag } from '../context.ts';
import { EXIT_CODES } from '../exit-codes.ts';

/** `cancel`: asks for the end of a job; repeating it is harmless. */
export async function cancelCommand(context: CommandContext, jobId: string, flags: OutputFlag): Promise<number> {
  await context.client.cancel(jobId);
  const job = await context.client.describe(jobId);
  context.console.progress(job.completed_at == null ? `${job.reason}\n` : `${job.status}\n`);
  context.console.out(flags.output === 'json' ? `${JSON.stringify(job)}\n` : `${job.job_id}\n`);
  return EXIT_CODES.ok;
}
