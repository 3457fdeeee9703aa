/**
 * `npm run record:claude -- FILE`: stands between the agent and the real Messages API until Ctrl-C and keeps what both said, without keys. The agent is
 * pointed at it by KAGGLE_AGENT_CLAUDE_API_BASE; the key stays in the agent's own settings.
 */
import { once } from 'node:events';
import { startRecorder } from './recorder.ts';
import { writeRecording } from './recording.ts';

const USAGE = 'npm run record:claude -- FILE [ADDRESS of the API; default https://api.anthropic.com]\n';

async function main(): Promise<number> {
  const [file, upstream = 'https://api.anthropic.com', ...rest] = process.argv.slice(2);
  if (file === undefined || file.startsWith('-') || rest.length > 0) {
    process.stderr.write(USAGE);
    return file === '--help' ? 0 : 64;
  }
  const closing: (() => unknown)[] = [];
  const recorder = await startRecorder({ teardown: (close) => void closing.push(close) }, upstream);
  process.stderr.write(`export KAGGLE_AGENT_CLAUDE_API_BASE=${recorder.url}\nRecording until Ctrl-C …\n`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  for (const close of closing) await close();
  await writeRecording(file, recorder.exchanges);
  process.stderr.write(`${recorder.exchanges.length} exchanges are in ${file}. Read it before you share it: it holds what was asked.\n`);
  return 0;
}

process.exitCode = await main();
