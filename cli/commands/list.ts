import type { CommandContext, OutputFlag } from '../context.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { formatBest, formatJobs, formatTable } from '../output.ts';

/** `list`: jobs, newest first. */
export async function listCommand(
  context: CommandContext,
  flags: OutputFlag & { readonly state?: string; readonly limit: number },
): Promise<number> {
  const { jobs, total } = await context.client.list({ state: flags.state ?? null, limit: flags.limit });
  if (jobs.length === 0 && flags.output === 'table') context.console.progress('No jobs. Start one: kn-kaggle submit <competition>\n');
  else context.console.out(formatJobs(jobs, flags.output));
  if (jobs.length < total) context.console.progress(`${jobs.length} of ${total}; more with --limit\n`);
  return EXIT_CODES.ok;
}

/** `describe`: all fields of one job. */
export async function describeCommand(context: CommandContext, jobId: string, flags: OutputFlag): Promise<number> {
  const job = await context.client.describe(jobId);
  if (flags.output !== 'table') {
    context.console.out(flags.output === 'json' ? `${JSON.stringify(job, null, 2)}\n` : `${job.job_id}\n`);
    return EXIT_CODES.ok;
  }
  const rows = [
    ['job', job.job_id],
    ['competition', job.kaggle_url],
    ['state', `${job.status} (attempt ${job.attempt})`],
    ['reason', job.reason],
    ['name', job.k8s_job_name],
    ['created', job.created_at],
    ['started', job.started_at ?? '–'],
    ['completed', job.completed_at ?? '–'],
    ['best', formatBest(job) || '–'],
    ['progress', job.progress ?? '–'],
    ['error', job.error == null ? '–' : `${job.error.code}: ${job.error.message}`],
  ];
  context.console.out(formatTable(['FIELD', 'VALUE'], rows));
  return EXIT_CODES.ok;
}
