import type { CommandContext } from '../context.ts';
import type { OutputFormat } from '../output.ts';
import { CliError, EXIT_CODES, exitCodeForState } from '../exit-codes.ts';
import { ProgressLine, formatJobs } from '../output.ts';

/** Follows a job until its end and prints it. The exit code is the job's; 8 when `timeoutS` is over first; Ctrl-C only detaches. */
export async function waitForEnd(
  context: CommandContext,
  params: { readonly jobId: string; readonly show: boolean; readonly timeoutS: number | null; readonly output: OutputFormat },
): Promise<number> {
  const { jobId } = params;
  const timeout = params.timeoutS === null ? null : AbortSignal.timeout(params.timeoutS * 1000);
  const signal = timeout === null ? context.signal : AbortSignal.any([context.signal, timeout]);
  const line = new ProgressLine(context.console);
  try {
    for await (const event of context.client.events(jobId, { signal })) if (params.show) line.show(event);
  } finally {
    line.close();
  }
  if (context.signal.aborted) {
    context.console.progress(`Detached; the job goes on. Follow it again: kn-kaggle watch ${jobId}   Stop it: kn-kaggle cancel ${jobId}\n`);
    return EXIT_CODES.interrupted;
  }
  const job = await context.client.describe(jobId);
  if (timeout?.aborted === true && job.completed_at == null) {
    throw new CliError(`Still ${job.status} after ${params.timeoutS} s. Go on with: kn-kaggle watch ${jobId}`, EXIT_CODES.stillRunning);
  }
  context.console.out(params.output === 'json' ? `${JSON.stringify(job, null, 2)}\n` : formatJobs([job], params.output));
  if (job.error != null) context.console.progress(`${job.status}: ${job.error.message}\n`);
  return exitCodeForState(job.status);
}
