import { parseCompetitionRef } from '#core/kaggle.ts';
import type { CommandContext, OutputFlag } from '../context.ts';
import { CliError, EXIT_CODES } from '../exit-codes.ts';
import { readTaskFlags } from '../task-options.ts';
import type { TaskFlags } from '../task-options.ts';
import { waitForEnd } from './wait.ts';

interface SubmitFlags extends OutputFlag, TaskFlags {
  readonly priority?: number;
  readonly cpu?: string;
  readonly memory?: string;
  readonly timeLimit?: number;
  readonly budgetUsd?: number;
  readonly llm: boolean;
  readonly hint?: string;
  readonly submitToKaggle?: boolean;
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
  readonly watch?: boolean;
  readonly timeout?: number;
}

/** `submit`: starts a job; with `--wait` or `--watch` the exit code is the job's. */
export async function submitCommand(context: CommandContext, competition: string, flags: SubmitFlags): Promise<number> {
  const parsed = parseCompetitionRef(competition);
  if (!parsed.ok) throw new CliError(parsed.message, EXIT_CODES.usage);
  const hasResources = flags.cpu !== undefined || flags.memory !== undefined;
  const body = {
    kaggle_url: parsed.url,
    priority: flags.priority,
    resources: hasResources ? { cpu: flags.cpu, memory: flags.memory } : undefined,
    time_limit_s: flags.timeLimit,
    budget_usd: flags.budgetUsd,
    llm: flags.llm ? undefined : 'off',
    hint: flags.hint,
    submit_to_kaggle: flags.submitToKaggle,
    task: readTaskFlags(flags),
  };
  const job = await context.client.submit(body, flags.idempotencyKey ?? null);
  context.console.progress(`job ${job.job_id} accepted as ${job.k8s_job_name}\n`);
  if (flags.wait !== true && flags.watch !== true) {
    if (flags.output === 'json') context.console.out(`${JSON.stringify(job)}\n`);
    else context.console.out(`${job.job_id}\n`);
    return EXIT_CODES.ok;
  }
  return waitForEnd(context, { jobId: job.job_id, show: flags.watch === true, timeoutS: flags.timeout ?? null, output: flags.output });
}
