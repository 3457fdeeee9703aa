import type { ArtifactStore, Clock } from '#core/ports.ts';
import { keys } from '#core/names.ts';
import { createWithRetry } from './storing.ts';

const FLUSH_BYTES = 64 * 1024;
const FLUSH_MS = 2_000;
const MAX_LINE_CHARS = 4_000;
/** A run that prints without end must not fill the store: after this much, solution output is counted and dropped. */
const MAX_TOTAL_BYTES = 32 * 1024 * 1024;

/** The job's log: human lines, stored as gap-free chunks so that they outlive the machine. Never throws, never blocks work. */
export interface JobLog {
  info(text: string): void;
  warn(text: string): void;
  /** Output of a solution or of the harness: hostile bytes, cleaned and marked. */
  output(label: string, chunk: string): void;
  close(): Promise<void>;
}

/** What `createJobLog` needs; `print` also gets every line (stdout). */
export interface JobLogParams {
  readonly store: ArtifactStore;
  readonly clock: Clock;
  readonly jobId: string;
  readonly attempt: number;
  readonly print: (line: string) => void;
  readonly flushMs?: number;
}

/** Starts the log; chunks are stored each 2 s or 64 KiB. */
export function createJobLog(params: JobLogParams): JobLog {
  const { store, clock, jobId, attempt } = params;
  let pending = '';
  let seq = 0;
  let total = 0;
  let dropped = 0;
  let tail: Promise<void> = Promise.resolve();
  const halfLines = new Map<string, string>();

  const flush = (): void => {
    if (pending === '') return;
    const body = pending;
    pending = '';
    tail = tail.then(async () => {
      const object = { key: keys.log(jobId, attempt, seq + 1), body, contentType: 'text/plain; charset=utf-8' };
      const outcome = await createWithRetry(store, object).catch(() => null);
      // A chunk that could not be stored is lost, and said so: the numbers stay gap-free.
      if (outcome !== null) seq += 1;
      else dropped += 1;
    });
  };
  const timer = setInterval(flush, params.flushMs ?? FLUSH_MS);
  timer.unref();
  const write = (level: string, text: string): void => {
    const line = `${clock.now().toISOString()} ${level} ${cleanText(text).slice(0, MAX_LINE_CHARS)}`;
    params.print(line);
    if (total > MAX_TOTAL_BYTES) return;
    total += line.length + 1;
    pending += `${line}\n`;
    if (pending.length >= FLUSH_BYTES) flush();
  };
  let repeated: { text: string; times: number } | null = null;
  const settleRepeated = (): void => {
    if (repeated !== null && repeated.times > 0) write('OUT ', `${repeated.text} (and ${repeated.times} more times)`);
    repeated = null;
  };
  const writeOutput = (label: string, line: string): void => {
    if (line.trim() === '') return;
    const text = `[${label}] ${line}`;
    if (repeated?.text === text) repeated.times += 1;
    else {
      settleRepeated();
      write('OUT ', text);
      repeated = { text, times: 0 };
    }
  };
  const say = (level: string, text: string): void => {
    settleRepeated();
    write(level, text);
  };
  return {
    info: (text) => say('INFO', text),
    warn: (text) => say('WARN', text),
    output(label, chunk) {
      const lines = ((halfLines.get(label) ?? '') + chunk).split(/\r\n|[\r\n]/);
      halfLines.set(label, (lines.pop() ?? '').slice(-MAX_LINE_CHARS));
      for (const line of lines) writeOutput(label, line);
    },
    async close() {
      clearInterval(timer);
      for (const [label, line] of halfLines) writeOutput(label, line);
      halfLines.clear();
      settleRepeated();
      if (dropped > 0) write('WARN', `${dropped} log chunks could not be stored`);
      flush();
      await tail;
    },
  };
}

/** Takes control characters and terminal escapes out of untrusted text; tabs become blanks. */
export function cleanText(text: string): string {
  return (
    text
      .replaceAll('\t', '  ')
      // oxlint-disable-next-line no-control-regex
      .replaceAll(/\u001B\[[0-9;?]{0,32}[ -/]?[@-~]/g, '')
      // oxlint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, '')
  );
}
