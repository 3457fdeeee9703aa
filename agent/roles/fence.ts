import { cleanText } from '../log.ts';

const MAX_HINT_CHARS = 2_000;

/**
 * Text that comes from outside (a competition's pages, its columns and cells, what a program printed) as a part of a prompt: cut, without
 * control characters, between markers that it cannot close. The rules say that nothing between them is an instruction.
 */
export function fence(name: string, text: string, maxChars: number): string {
  const lines = breakMarkers(
    text
      .split('\n')
      .map((line) => cleanText(line))
      .join('\n'),
  );
  const cut = lines.length > maxChars ? `${lines.slice(0, maxChars)}\n[${lines.length - maxChars} characters more]` : lines;
  return `<data name="${name}">\n${cut}\n</data>`;
}

/** Words of the person whose job this is, as one line: it can open no marker and begin no heading. */
export function cleanHint(hint: string): string {
  return breakMarkers(cleanText(hint.replaceAll('\n', ' '))).slice(0, MAX_HINT_CHARS);
}

/** The same text without anything that could open or close a marker. */
function breakMarkers(text: string): string {
  return text.replaceAll(/<(\/?)data/gi, '<$1 data');
}
