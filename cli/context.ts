import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { ServiceClient } from './client.ts';
import { processConsole } from './output.ts';
import type { Console, OutputFormat } from './output.ts';

/** What every command gets: the service, the streams, and a signal that Ctrl-C aborts. */
export interface CommandContext {
  readonly client: ServiceClient;
  readonly console: Console;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const GlobalOptions = z.object({
  url: z.string(),
  submitUrl: z.string().optional(),
  statusUrl: z.string().optional(),
  resultUrl: z.string().optional(),
  apiKeyFile: z.string().optional(),
});

/** Reads the global flags. Throws CliError when a URL or the key file can't be used. */
export async function openContext(flags: unknown, env: CommandContext['env']): Promise<CommandContext> {
  const options = GlobalOptions.parse(flags);
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort(new CliError('Interrupted.', EXIT_CODES.interrupted)));
  const urls = {
    submit: readBaseUrl(options.submitUrl ?? options.url),
    status: readBaseUrl(options.statusUrl ?? options.url),
    result: readBaseUrl(options.resultUrl ?? options.url),
  };
  const apiKey = options.apiKeyFile === undefined ? (env['KAGGLE_AGENT_API_KEY'] ?? null) : await readKey(options.apiKeyFile);
  return {
    client: new ServiceClient({ urls, apiKey, signal: controller.signal }),
    console: processConsole(env),
    signal: controller.signal,
    env,
  };
}

async function readKey(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    throw new CliError(`The API key file ${path} can't be read.`, EXIT_CODES.auth, error);
  }
}

function readBaseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new CliError(`"${text}" is not a base URL. Give one such as http://127.0.0.1:8000.`, EXIT_CODES.usage);
  }
  return text.replace(/\/+$/, '');
}

/** Flags that many commands share, as commander hands them over. */
export interface OutputFlag {
  readonly output: OutputFormat;
}
