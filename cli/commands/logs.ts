import type { CommandContext } from '../context.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { stripEscapes } from '../output.ts';

/** `logs`: what the agent wrote, from storage; the same before and after the run is gone. */
export async function logsCommand(
  context: CommandContext,
  jobId: string,
  flags: { readonly follow?: boolean; readonly tail: number; readonly attempt?: number },
): Promise<number> {
  if (flags.follow !== true) {
    const text = stripEscapes(await context.client.logs(jobId, { tailLines: flags.tail, attempt: flags.attempt ?? null }));
    context.console.out(text.endsWith('\n') || text === '' ? text : `${text}\n`);
    return EXIT_CODES.ok;
  }
  const decoder = new TextDecoder();
  try {
    for await (const chunk of await context.client.followLogs(jobId, context.signal))
      context.console.out(stripEscapes(decoder.decode(chunk, { stream: true })));
  } catch (error) {
    if (!context.signal.aborted) throw error;
    return EXIT_CODES.interrupted;
  }
  return EXIT_CODES.ok;
}
