/** Exit codes of the command line: documented, tested, stable. */
export const EXIT_CODES = {
  ok: 0,
  failed: 1,
  usage: 2,
  jobFailed: 3,
  auth: 4,
  notFound: 5,
  conflict: 6,
  budget: 7,
  stillRunning: 8,
  unavailable: 9,
  sandboxRefused: 10,
  interrupted: 130,
} as const;

/** An error that ends a command: one or two lines for a person, and the exit code. */
export class CliError extends Error {
  override name = 'CliError' as const;
  readonly exitCode: number;
  constructor(message: string, exitCode: number, cause?: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** The exit code for an HTTP answer that is not 2xx; `code` is the problem's own, where it has one. */
export function exitCodeForAnswer(status: number, code: string | null): number {
  if (code === 'job-unfinished') return EXIT_CODES.stillRunning;
  if (code === 'job-final') return EXIT_CODES.conflict;
  if (status === 401 || status === 403) return EXIT_CODES.auth;
  if (status === 404) return EXIT_CODES.notFound;
  if (status === 409) return EXIT_CODES.conflict;
  if (status === 429 || status >= 500) return EXIT_CODES.unavailable;
  return status === 400 || status === 413 || status === 415 || status === 422 ? EXIT_CODES.usage : EXIT_CODES.failed;
}

/** The exit code for a final job state. */
export function exitCodeForState(state: string): number {
  return state === 'success' ? EXIT_CODES.ok : EXIT_CODES.jobFailed;
}
