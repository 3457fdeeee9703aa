import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Launch } from './run-files.ts';

const SUPERVISOR = fileURLToPath(new URL('./supervisor.ts', import.meta.url));

/** The next spare waits until the run that took the last one has had the machine to itself for this long. */
const REPLACE_SPARE_AFTER_MS = 100;

/**
 * Starts supervisors, each in a session of its own. One is kept started and waiting for its orders on standard input, since the start of Node
 * is half of what a run's start costs. A spare costs nothing but memory, and ends by itself when this process is gone.
 */
export class SupervisorStarter {
  readonly #dir: string;
  #spare: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** `dir` is for Node's compile cache, which halves the start of a supervisor, and for what supervisors say on standard error. */
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  }

  /** Keeps a spare from now on, so that the first run starts as fast as the others. Never throws. */
  warm(): void {
    this.#prepareSpare();
  }

  /** Tells a supervisor what to run. Resolves when its process exists; throws the system's error when the machine can't start one now. */
  async start(launch: Launch): Promise<ChildProcess> {
    const child = this.#takeSpare() ?? this.#spawn();
    if (child.pid === undefined) await once(child, 'spawn');
    child.stdin?.end(JSON.stringify(launch));
    this.#timer ??= setTimeout(() => this.#prepareSpare(), REPLACE_SPARE_AFTER_MS).unref();
    return child;
  }

  /** Lets the spare go and waits until it has ended; supervisors with a run live on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const spare = this.#takeSpare();
    if (spare?.pid === undefined) return;
    spare.ref();
    const ended = once(spare, 'exit');
    spare.stdin?.end();
    await ended;
  }

  #takeSpare(): ChildProcess | null {
    const spare = this.#spare;
    this.#spare = null;
    return spare;
  }

  #prepareSpare(): void {
    this.#timer = null;
    if (this.#isClosed || this.#spare !== null) return;
    // A machine that has no place for a spare gets no spare, now or a moment later: the next run's start tells what is wrong.
    try {
      const spare = this.#spawn();
      this.#spare = spare;
      const forget = () => {
        if (this.#spare === spare) this.#spare = null;
      };
      spare.once('error', forget);
      spare.once('exit', forget);
    } catch {
      this.#spare = null;
    }
  }

  #spawn(): ChildProcess {
    const log = openSync(join(this.#dir, 'supervisors.log'), 'a', 0o600);
    try {
      const child = spawn(process.execPath, [SUPERVISOR], {
        cwd: this.#dir,
        detached: true,
        env: { NODE_COMPILE_CACHE: this.#dir },
        stdio: ['pipe', 'ignore', log],
      });
      // It may have ended before it read everything; that shows in what it left behind.
      child.stdin?.on('error', () => undefined);
      // Neither the process nor its pipe keeps this process alive.
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }
}
