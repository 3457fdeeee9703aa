/** JSON escapes that Postgres's jsonb refuses: the NUL character and (lone) surrogates. */
const REFUSED = /\\u(?:0000|d[89a-f][0-9a-f]{2})/i;

/** JSON text for a jsonb column. NUL characters and lone surrogates, which jsonb refuses, become U+FFFD. */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  return REFUSED.test(text) ? JSON.stringify(cleanValue(JSON.parse(text))) : text;
}

/** Text for a text column: NUL characters, which Postgres refuses, become U+FFFD. */
export function cleanText(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}

/** `cleanText`, or null. */
export function cleanNullable(text: string | null): string | null {
  return text === null ? null : cleanText(text);
}

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value.toWellFormed());
  if (Array.isArray(value)) return value.map(cleanValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [cleanText(key.toWellFormed()), cleanValue(inner)]));
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether Postgres will take this as a uuid; any other id belongs to no job. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
