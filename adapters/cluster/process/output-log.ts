// Last-resort logs of a run. Imported by the supervisor: only Node's own modules.
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';

/**
 * Keeps the newest bytes of an output in `<path>` and `<path>.1`, together never more than `maxBytes`: how a program ended is worth more
 * than how it began. A full disk loses output, never the run.
 */
export class OutputLog {
  readonly #path: string;
  readonly #halfBytes: number;
  #file: number | null;
  #bytes = 0;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#halfBytes = Math.max(1, Math.floor(maxBytes / 2));
    this.#file = openSync(path, 'w', 0o600);
  }

  /** Appends; never throws. */
  write(chunk: Uint8Array): void {
    const kept = chunk.byteLength > this.#halfBytes ? chunk.subarray(chunk.byteLength - this.#halfBytes) : chunk;
    try {
      if (this.#bytes + kept.byteLength > this.#halfBytes) this.#rotate();
      if (this.#file === null) return;
      this.#bytes += writeSync(this.#file, kept);
    } catch {
      // Nothing can be said anywhere better than here.
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #rotate(): void {
    this.close();
    renameSync(this.#path, `${this.#path}.1`);
    this.#file = openSync(this.#path, 'w', 0o600);
    this.#bytes = 0;
  }
}
