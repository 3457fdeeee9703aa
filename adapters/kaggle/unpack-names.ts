import { KaggleError } from '#core/kaggle-error.ts';

const MAX_PATH_BYTES = 1024;
const MAX_PART_BYTES = 240;
const MAX_DEPTH = 32;

/** An archive that is not unpacked, with the rule it broke. `name` is quoted and cut, so that it can be shown. */
export function unsafeArchive(rule: string, name?: string): KaggleError {
  const where = name === undefined ? '' : ` (${JSON.stringify(name.slice(0, 120))})`;
  return new KaggleError('unsafe-archive', `The archive was not unpacked: ${rule}${where}. Nothing was kept of it.`);
}

/** The safe relative path of an archive's entry (no trailing slash). Throws for names that could reach, or look like reaching, elsewhere. */
export function checkEntryName(name: string): string {
  const path = name.replace(/\/+$/, '');
  if (path === '' || name.startsWith('/') || /^[A-Za-z]:[\\/]/.test(name))
    throw unsafeArchive('an entry has an absolute or empty name', name);
  if (name.includes('\\')) throw unsafeArchive('an entry has a backslash in its name', name);
  if (/[\p{Cc}\ufffd]/u.test(name)) throw unsafeArchive('an entry has control or undecodable characters in its name', name);
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw unsafeArchive('an entry leaves its folder', name);
  if (
    parts.length > MAX_DEPTH ||
    Buffer.byteLength(path) > MAX_PATH_BYTES ||
    parts.some((part) => Buffer.byteLength(part) > MAX_PART_BYTES)
  ) {
    throw unsafeArchive('an entry has a name that is too long or too deep', name);
  }
  return path;
}

/** Names already given out; refuses duplicates, names that differ only in case or Unicode form, and files that are also folders. */
export class TakenNames {
  readonly #files = new Set<string>();
  readonly #folders = new Map<string, string>();

  addFile(path: string): void {
    const folded = foldName(path);
    if (this.#files.has(folded) || this.#folders.has(folded))
      throw unsafeArchive('two entries have the same name, or names that differ only in case', path);
    this.addFolder(path.split('/').slice(0, -1).join('/'));
    this.#files.add(folded);
  }

  addFolder(path: string): void {
    const parts = path === '' ? [] : path.split('/');
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      const folded = foldName(folder);
      const known = this.#folders.get(folded);
      if (this.#files.has(folded) || (known !== undefined && known !== folder)) {
        throw unsafeArchive('two entries have the same name, or names that differ only in case', path);
      }
      this.#folders.set(folded, folder);
    }
  }

  isFree(path: string): boolean {
    const folded = foldName(path);
    return !this.#files.has(folded) && !this.#folders.has(folded);
  }

  /** Give a file's name back: an inner archive that was opened and removed. */
  removeFile(path: string): void {
    this.#files.delete(foldName(path));
  }
}

function foldName(path: string): string {
  return path.normalize('NFKC').toLowerCase();
}
