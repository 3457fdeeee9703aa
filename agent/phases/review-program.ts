import type { RunContext } from '../context.ts';
import type { Explored } from './exploration.ts';
import type { Search } from '../search/search.ts';
import { askReviewer } from '../roles/questions.ts';
import { cleanText } from '../log.ts';
import { noteChecks, READER_CHECK } from '../search/search.ts';

const MOST_FINDING_CHARS = 300;

/**
 * Has the cheap model read a program that made something better. What it finds is noted beside the solution's checks and told to whoever
 * changes the program next; it changes no score and no verdict. A text = why nobody is asked any more.
 */
export async function reviewProgram(
  run: RunContext,
  search: Search,
  explored: Explored,
  { item, number, code }: { readonly item: number; readonly number: number; readonly code: string },
): Promise<string | null> {
  run.voice.update({ message: `Claude is reading solution ${number}` });
  const read = await explored.asker.ask(askReviewer(code));
  if (read.kind === 'closed') return read.reason;
  if (read.kind !== 'answer' || read.answer.kind !== 'findings' || read.answer.findings.length === 0) return null;
  const findings = read.answer.findings.map(
    ({ about, what }) => `${about}: ${cleanText(what.replaceAll('\n', ' ')).slice(0, MOST_FINDING_CHARS)}`,
  );
  await explored.workers.turn(`read:${item}`, () => void explored.findings.set(number, findings));
  const checks = findings.map((detail) => ({ name: READER_CHECK, ok: false, weight: 'note' as const, detail }));
  noteChecks(run, search, number, checks);
  return null;
}
