import type { CommandContext, OutputFlag } from '../context.ts';
import { CliError, EXIT_CODES } from '../exit-codes.ts';

interface InstructFlags extends OutputFlag {
  readonly try?: string;
  readonly why?: string;
  readonly never?: string;
  readonly finish?: boolean;
}

/** `instruct`: tells a job that is not final one thing: words, an idea to try first, what never to try, or to finish now. */
export async function instructCommand(
  context: CommandContext,
  jobId: string,
  words: readonly string[],
  flags: InstructFlags,
): Promise<number> {
  const said = words.join(' ');
  const given = [
    said !== '' && 'words',
    flags.try !== undefined && '--try',
    flags.never !== undefined && '--never',
    flags.finish === true && '--finish',
  ];
  const named = given.filter((each) => each !== false);
  if (named.length !== 1) {
    const what = named.length === 0 ? 'nothing was given' : `${named.join(' and ')} were given`;
    throw new CliError(`Tell a job one thing at a time: words, --try, --never or --finish; ${what}.`, EXIT_CODES.usage);
  }
  const accepted = await context.client.instruct(jobId, {
    ...(said !== '' && { say: said }),
    ...(flags.try !== undefined && { try: flags.try }),
    ...(flags.why !== undefined && { why: flags.why }),
    ...(flags.never !== undefined && { never: flags.never }),
    ...(flags.finish === true && { finish: true }),
  });
  context.console.progress(`${accepted.message}.\n`);
  context.console.out(flags.output === 'json' ? `${JSON.stringify(accepted)}\n` : `${accepted.job_id}\n`);
  return EXIT_CODES.ok;
}
