/** Makes untrusted text safe inside HTML. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** A number with five significant digits. */
export function show(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : Number(value.toPrecision(5)).toString();
}
