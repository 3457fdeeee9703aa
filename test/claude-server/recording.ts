import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';

/** One exchange with the Messages API as it went over the wire; nothing in it says who asked. */
export const Recorded = z.object({
  path: z.string(),
  request: z.unknown(),
  status: z.int(),
  contentType: z.string(),
  /** The reply's bytes as text: JSON, or the events of a stream. */
  response: z.string(),
});
export type Recorded = z.infer<typeof Recorded>;

const RecordingFile = z.object({ schemaVersion: z.literal(1), exchanges: z.array(Recorded) });

/** What a key looks like, and members that name the account. */
const KEY = /sk-ant-[A-Za-z0-9_-]{8,}/g;
const ACCOUNT = /"(organization_id|workspace_id|user_id|request_id)"\s*:\s*"[^"]*"/g;

/** The text without keys and account names. */
export function scrub(text: string): string {
  return text.replaceAll(KEY, 'sk-ant-removed').replaceAll(ACCOUNT, '"$1":"removed"');
}

/** Keeps exchanges in a file. Throws when something that looks like a key would still be in it. */
export async function writeRecording(path: string, exchanges: readonly Recorded[]): Promise<void> {
  const text = scrub(JSON.stringify({ schemaVersion: 1, exchanges }, null, 2));
  if (text.replaceAll('sk-ant-removed', '').includes('sk-ant-')) throw new Error(`a key would be in ${path}: nothing was written`);
  await writeFile(path, `${text}\n`);
}

/** Reads what `writeRecording` kept. Throws when it is none. */
export async function readRecording(path: string): Promise<Recorded[]> {
  return RecordingFile.parse(JSON.parse(await readFile(path, 'utf8'))).exchanges;
}
