import type { CommandContext, OutputFlag } from '../context.ts';
import { waitForEnd } from './wait.ts';

/** `watch`: shows progress until the job ends; the exit code is the job's. */
export function watchCommand(context: CommandContext, jobId: string, flags: OutputFlag & { readonly timeout?: number }): Promise<number> {
  return waitForEnd(context, { jobId, show: true, timeoutS: flags.timeout ?? null, output: flags.output });
}
