import { constants } from 'node:os';
import type { ExitClass } from './sandbox.ts';

/** How the main process ended. */
export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What an outer program reports as 128 + n was the death by signal n. */
export function readSignal({ exitCode, signal }: ProcessEnd): ProcessEnd {
  if (exitCode === null || exitCode <= 128) return { exitCode, signal };
  const found = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return found === undefined ? { exitCode, signal } : { exitCode: null, signal: found[0] as NodeJS.Signals };
}

const BY_SIGNAL: Partial<Record<NodeJS.Signals, ExitClass>> = {
  SIGXFSZ: 'disk',
  SIGXCPU: 'timeout',
  SIGKILL: 'killed',
  SIGSYS: 'blocked',
};

/** What the last words say, the first match counts. Only the class of the exception that ended the program is looked at, not all its text. */
const BY_WORDS: readonly (readonly [RegExp, ExitClass])[] = [
  [/^(\w+\.)*(_ArrayMemoryError|MemoryError)\b|std::bad_alloc/, 'oom'],
  [/No space left on device|File too large|Disk quota exceeded/, 'disk'],
  [/^(SyntaxError|IndentationError|TabError)\b/, 'syntax'],
  [/^(ModuleNotFoundError|ImportError)\b/, 'import'],
  [
    /^PermissionError\b|Operation not permitted|Permission denied|Address family not supported|Read-only file system|are closed here/,
    'blocked',
  ],
  [/^(\w+\.)*(FileNotFoundError|IsADirectoryError|KeyError|UnicodeDecodeError|ParserError|EmptyDataError)\b/, 'data'],
  [/: error: (the following arguments are required|unrecognized arguments|argument )/, 'contract'],
];

/** The class of an end that was not ours. `tail` is cleaned. A program can lie here about its failure, never about success. */
export function classifyEnd(end: ProcessEnd, tail: string): ExitClass {
  if (end.exitCode === 0) return 'ok';
  const bySignal = end.signal === null ? undefined : BY_SIGNAL[end.signal];
  if (bySignal !== undefined) return bySignal;
  const last = findLastWords(tail);
  return BY_WORDS.find(([words]) => words.test(last))?.[1] ?? 'crashed';
}

/** The line that names the exception: the last one that is not indented and not a note about it. */
function findLastWords(tail: string): string {
  const lines = tail.split('\n').filter((line) => line.trim() !== '');
  return (
    lines.findLast((line) => /^(\w+\.)*\w*(Error|Exception|Exit|Interrupt|Warning)\b|: error: |^terminate called|what\(\)/.test(line)) ??
    lines.at(-1) ??
    ''
  );
}
