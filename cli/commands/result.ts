import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { CommandContext, OutputFlag } from '../context.ts';
import { CliError, EXIT_CODES } from '../exit-codes.ts';
import type { ServiceClient } from '../client.ts';
import type { ResultView } from '../wire.ts';
import { formatScore, formatTable, stripControls } from '../output.ts';

/** `result`: scores and files of a job; with `--file` the bytes go to a path (a whole file or none) or to stdout. */
export async function resultCommand(
  context: CommandContext,
  jobId: string,
  flags: OutputFlag & { readonly file?: string; readonly to: string; readonly best?: boolean },
): Promise<number> {
  const file = flags.file ?? (flags.best === true ? 'submission.csv' : null);
  if (file !== null) return downloadFile(context, { jobId, file, to: flags.to, query: flags.best === true ? '?best=1' : '' });
  const { result, status } = await context.client.result(jobId);
  if (result === null) throw new CliError(`Job ${jobId} is ${status} and has no result.`, EXIT_CODES.jobFailed);
  if (flags.output === 'json') context.console.out(`${JSON.stringify(result, null, 2)}\n`);
  else if (flags.output === 'name') context.console.out(result.files.map((entry) => `${entry.name}\n`).join(''));
  else context.console.out(formatResult(result));
  return EXIT_CODES.ok;
}

async function downloadFile(
  context: CommandContext,
  params: { readonly jobId: string; readonly file: string; readonly to: string; readonly query: string },
): Promise<number> {
  const source = Readable.fromWeb(await context.client.openFile(params.jobId, params.file, params.query));
  if (params.to === '-') {
    for await (const chunk of source) context.console.out(Buffer.from(chunk));
    return EXIT_CODES.ok;
  }
  const isFolder = await stat(params.to).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  const path = isFolder ? join(params.to, params.file) : params.to;
  await writeWhole(source, path);
  context.console.out(`${path}\n`);
  return EXIT_CODES.ok;
}

/** Downloads one file of a result into a folder, which is made; returns its path. Throws CliError. */
export async function saveResultFile(
  client: ServiceClient,
  params: { readonly jobId: string; readonly name: string; readonly folder: string },
): Promise<string> {
  await mkdir(params.folder, { recursive: true });
  const path = join(params.folder, params.name);
  await writeWhole(Readable.fromWeb(await client.openFile(params.jobId, params.name)), path);
  return path;
}

/** A whole file or none: written beside, then renamed. */
async function writeWhole(source: Readable, path: string): Promise<void> {
  const part = `${path}.part`;
  try {
    await pipeline(source, createWriteStream(part));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw new CliError(`${path} could not be written.`, EXIT_CODES.failed, error);
  }
}

function formatResult(result: NonNullable<ResultView['result']>): string {
  const { cv } = result;
  const lines = [
    ...(cv === null
      ? []
      : [`${result.metric ?? 'score'} ${formatScore(cv.score)}  95 % [${formatScore(cv.low)}, ${formatScore(cv.high)}]`]),
    ...(result.partial ? ['partial: the job was cut off, this is its best valid file'] : []),
    ...(result.quality === 'fallback' ? ['fallback: constant predictions, no model worked'] : []),
    ...(result.trust === null ? [] : [[result.trust.verdict, ...result.trust.reasons.map(stripControls)].join(': ')]),
    ...result.notes.map((note) => `note: ${stripControls(note)}`),
  ];
  const files = result.files.map((entry) => [entry.name, String(entry.bytes), entry.sha256]);
  return `${lines.map((line) => `${line}\n`).join('')}${formatTable(['FILE', 'BYTES', 'SHA-256'], files)}`;
}
