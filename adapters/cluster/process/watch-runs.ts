import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import type { PlainEvent } from '#core/events.ts';
import type { Logger, RunObservation } from '#core/ports.ts';
import { buildClusterHint } from './cluster-hint.ts';

const LOOK_MS = 1000;

/**
 * Says when a run has appeared, changed or gone. Supervisors touch a file per run in `signalDir`; besides, every run that may still change
 * is looked at once a second, for the end that nobody could write (a killed supervisor). Hints only: any of them may be lost.
 */
export class RunWatcher {
  readonly #observe: (jobName: string) => Promise<RunObservation | null>;
  readonly #onChange: (event: PlainEvent) => void;
  readonly #logger: Logger;
  readonly #seen = new Map<string, string>();
  readonly #unsettled = new Set<string>();
  readonly #busy = new Map<string, Promise<void>>();
  #watcher: FSWatcher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(params: {
    readonly observe: (jobName: string) => Promise<RunObservation | null>;
    readonly onChange: (event: PlainEvent) => void;
    readonly logger: Logger;
  }) {
    this.#observe = params.observe;
    this.#onChange = params.onChange;
    this.#logger = params.logger;
  }

  /** Starts to watch; neither the watch nor the timer keeps the process alive. */
  start(signalDir: string): void {
    try {
      this.#watcher = watch(signalDir, { persistent: false }, (_type, name) => {
        if (name !== null) void this.look(name);
      });
      this.#watcher.on('error', (error) => this.#logger.warn({ error: error.message }, 'watching runs failed; looking once a second'));
    } catch (error) {
      this.#logger.warn({ error: String(error) }, 'the system has no watch left; looking once a second');
    }
    this.#timer = setInterval(() => {
      for (const jobName of this.#unsettled) void this.look(jobName);
    }, LOOK_MS);
    this.#timer.unref();
  }

  /** Looks at one run now, and says so if it is not as it was. Calls for one run go one after the other. Never throws. */
  look(jobName: string): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    const next = (this.#busy.get(jobName) ?? Promise.resolve()).then(() => this.#compare(jobName));
    this.#busy.set(jobName, next);
    return next.finally(() => {
      if (this.#busy.get(jobName) === next) this.#busy.delete(jobName);
    });
  }

  /** Stops watching and waits for what is under way; the runs go on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#busy.values());
  }

  async #compare(jobName: string): Promise<void> {
    try {
      const run = await this.#observe(jobName);
      const before = this.#seen.get(jobName);
      const now = run === null ? undefined : `${run.uid} ${run.phase} ${run.alive} ${run.deleting}`;
      if (run === null) this.#unsettled.delete(jobName);
      else if (run.finishedAt === null || run.deleting) this.#unsettled.add(jobName);
      else this.#unsettled.delete(jobName);
      if (now === undefined) this.#seen.delete(jobName);
      else this.#seen.set(jobName, now);
      if (now === before || this.#isClosed) return;
      this.#onChange(buildClusterHint(now === undefined ? 'deleted' : before === undefined ? 'added' : 'updated', jobName));
    } catch (error) {
      this.#logger.warn({ jobName, error: String(error) }, 'a run could not be looked at; the next tick tries again');
    }
  }
}
