import { EXIT } from '#core/job-spec.ts';
import type { JobError } from '#core/job.ts';

/** Ends the attempt with a known exit code and an error for people: `message` says what was wrong, where, and what to do next. */
export class RunEnds extends Error {
  override name = 'RunEnds' as const;
  readonly exitCode: number;
  readonly jobError: JobError;

  constructor(exitCode: number, jobError: JobError, cause?: unknown) {
    super(jobError.message, { cause });
    this.exitCode = exitCode;
    this.jobError = jobError;
  }
}

/** The competition, its files or the caller's rights are at fault: final, the caller's turn (exit 64). */
export function badInput(message: string, cause?: unknown): RunEnds {
  return new RunEnds(EXIT.badInput, { code: 'bad-input', message, turn: 'caller' }, cause);
}

/** Kaggle refused for good, or did not answer in time (exit 69). */
export function upstreamRefused(message: string, turn: JobError['turn'], cause?: unknown): RunEnds {
  return new RunEnds(EXIT.upstreamRefused, { code: 'upstream-refused', message, turn }, cause);
}

/** SIGTERM: all that is needed to go on is stored (exit 75). */
export function stopped(): RunEnds {
  return new RunEnds(EXIT.stopped, {
    code: 'stopped',
    message: 'stopped by a signal; the next attempt goes on from the journal',
    turn: 'retry',
  });
}

/** Another writer holds this attempt or a later one: do nothing more (exit 76). */
export class ClaimLost extends Error {
  override name = 'ClaimLost' as const;
}

/** The first line of an error, for people: no stack, at most 500 characters. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? '').slice(0, 500);
}
