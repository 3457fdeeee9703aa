import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

const KEPT_CHARS = 64 * 1024;
const MAX_LINES = 60;
const MAX_LINE_CHARS = 500;
const MAX_TAIL_CHARS = 4_000;

/** Keeps the last part of a stream of bytes; characters cut by a chunk's end stay whole. */
export function createTailKeeper() {
  const decoder = new StringDecoder('utf8');
  let kept = '';
  return {
    take(chunk: Buffer): string {
      const text = decoder.write(chunk);
      kept = (kept + text).slice(-KEPT_CHARS);
      return text;
    },
    text: (): string => kept,
  };
}

/** The last 60 lines without terminal escapes and control characters, a repeated line once with its count; at most 4,000 characters. */
export function cleanTail(text: string): string {
  const folded: { line: string; count: number }[] = [];
  for (const raw of removeEscapes(text).split('\n')) {
    // What a progress bar has overwritten was never to be seen.
    const line = raw.slice(raw.trimEnd().lastIndexOf('\r') + 1).trimEnd();
    const last = folded.at(-1);
    if (last !== undefined && last.line === line) last.count += 1;
    else folded.push({ line, count: 1 });
  }
  const lines = folded.slice(-MAX_LINES).map(({ line, count }) => {
    const cut = line.length > MAX_LINE_CHARS ? `${line.slice(0, MAX_LINE_CHARS)} …` : line;
    return count > 1 && line !== '' ? `${cut} (${count} times)` : cut;
  });
  return lines.join('\n').trim().slice(-MAX_TAIL_CHARS);
}

function removeEscapes(text: string): string {
  // A code that Node does not know loses its escape character here, and is harmless text then. Direction marks can hide what a line says.
  // oxlint-disable-next-line no-control-regex
  return stripVTControlCharacters(text).replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
}

/** The deepest place of `program` in the last traceback of `text`; null when none names it. */
export function findOwnFrame(text: string, program: string): string | null {
  const start = text.lastIndexOf('Traceback (most recent call last)');
  const prefix = `File "${program}", line `;
  const at = text.lastIndexOf(prefix);
  if (at < Math.max(0, start)) return null;
  const found = /^(\d+)(?:, in ([^\n]{1,100}))?/.exec(text.slice(at + prefix.length));
  return found === null ? null : `line ${found[1]}${found[2] === undefined ? '' : `, in ${found[2]}`}`;
}
