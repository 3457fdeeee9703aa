import { callerError } from '#core/errors.ts';

/** Longest key in UTF-8 bytes (the limit of Google Cloud Storage), and longest part of one (the limit of file systems). */
export const MAX_KEY_BYTES = 1024;
export const MAX_KEY_PART_BYTES = 255;
const MAX_CONTENT_TYPE_CHARS = 80;

/** Throws AgentError `invalid-query` unless `key` is relative, `/`-separated, printable, and without empty, `.` or `..` parts. */
export function checkKey(key: string): void {
  const wrong = key === '' ? 'is empty' : findFault(key, key.split('/'));
  if (wrong !== null) throw invalidKey('key', key, wrong);
}

/** Like checkKey for a listing's prefix: may be empty, may end in the middle of a part or in a `/`. */
export function checkPrefix(prefix: string): void {
  const parts = prefix.split('/');
  const last = parts.pop() ?? '';
  const wrong = findFault(prefix, last === '' ? parts : [...parts, `${last}x`]);
  if (wrong !== null) throw invalidKey('prefix', prefix, wrong);
}

/** Throws AgentError `invalid-query` unless the content type is 1–80 printable ASCII characters. */
export function checkContentType(contentType: string): void {
  if (contentType.length > MAX_CONTENT_TYPE_CHARS || !/^[\x20-\x7e]+$/.test(contentType)) {
    throw invalidKey('content type', contentType, `must be 1 to ${MAX_CONTENT_TYPE_CHARS} printable ASCII characters`);
  }
}

/** Order of keys in listings: by UTF-8 bytes, as Google Cloud Storage sorts them. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function findFault(key: string, parts: readonly string[]): string | null {
  if (!key.isWellFormed()) return 'is not well-formed Unicode';
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused here
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(key)) return 'has a control character';
  if (key.includes('\\')) return 'has a backslash';
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `is longer than ${MAX_KEY_BYTES} bytes`;
  for (const part of parts) {
    if (part === '') return 'has an empty part (a leading, trailing or double "/")';
    if (part === '.' || part === '..') return `has a "${part}" part`;
    if (Buffer.byteLength(part) > MAX_KEY_PART_BYTES) return `has a part longer than ${MAX_KEY_PART_BYTES} bytes`;
  }
  return null;
}

function invalidKey(what: string, value: string, wrong: string): Error {
  return callerError('invalid-query', 400, `storage ${what} ${JSON.stringify(value.slice(0, 120))} ${wrong}`);
}
