// Names and atomic writes of the files of a run's folder. Imported by the supervisor: only Node's own modules.
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { EndCause } from '#core/exit-class.ts';
import type { ProcessIdentity } from './proc.ts';

/** Files of `<dir>/<jobName>/`. `order` and `state` are born complete (by a link), so either is a lock and never seen half-written. */
export const RUN_FILES = {
  order: 'order.json',
  spec: 'spec.json',
  state: 'state.json',
  token: 'token',
  deleteRequested: 'delete-requested',
  recorded: 'recorded',
  stdout: 'stdout.log',
  stderr: 'stderr.log',
  work: 'work',
} as const;

/** What the supervisor writes of its run. `ended` is written last, when no process of the run lives any more. */
export interface RunState {
  readonly schemaVersion: 1;
  readonly uid: string;
  readonly phase: 'starting' | 'running' | 'ended';
  /** Null when the run was ended before it had a supervisor. */
  readonly supervisor: ProcessIdentity | null;
  readonly child: ProcessIdentity | null;
  /** 128 + the signal's number for a program ended by a signal. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly cause: EndCause | null;
  /** One line for people; empty until the end. */
  readonly reason: string;
  readonly peakMemoryMib: number | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

/** What the supervisor is told, on its standard input: nothing of it (environment, arguments) is left on disk. */
export interface Launch {
  readonly schemaVersion: 1;
  readonly uid: string;
  /** The run's folder, an absolute path. */
  readonly folder: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly memoryMib: number;
  readonly deadlineMs: number;
  readonly graceMs: number;
  readonly outputBytes: number;
  /** Touched at every change of state, for whoever watches. */
  readonly signalFile: string;
}

/** Creates the file with all its text at once; false when there is one already. Throws when the folder is gone or the disk is full. */
export function createFileOnce(path: string, text: string): boolean {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(temporary, text, { mode: 0o600, flush: true });
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Replaces the file with all its text at once: readers see the old text or the new. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(temporary, text, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}
