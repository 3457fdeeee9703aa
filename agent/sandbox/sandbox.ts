/** How a run ended, as people count it (agent reference: failure classes). */
export const EXIT_CLASSES = [
  'ok',
  'syntax',
  'import',
  'data',
  'contract',
  'timeout',
  'oom',
  'disk',
  'killed',
  'blocked',
  'stopped',
  'crashed',
] as const;
export type ExitClass = (typeof EXIT_CLASSES)[number];

/** One fresh run of a program under the solution contract (section 1). Folders are absolute; the data folders are only read. */
export interface SolutionRun {
  readonly program: string;
  readonly trainDir: string;
  readonly predictDir: string;
  /** Made by the caller, empty; the program's only way to answer. */
  readonly outDir: string;
  readonly scratchDir: string;
  readonly paramsFile: string;
  /** Names in `outDir` of which a good end leaves at least one; none = the end alone counts. */
  readonly answers: readonly string[];
  readonly seed: number;
  readonly threads: number;
  readonly timeoutMs: number;
  readonly memoryMib: number;
  /** Never from a process that has imported packages before: a finalist is confirmed so. Absent = the sandbox's choice. */
  readonly coldStart?: boolean;
  readonly onOutput: (chunk: string) => void;
  readonly signal: AbortSignal;
}

/**
 * What one run came to. `tail` = its last 60 lines, repeats folded, terminal escapes removed; still words that nobody trusts. `frame` =
 * the deepest place of the program's own code in its traceback ("line 7, in fit").
 */
export interface RunOutcome {
  readonly exitClass: ExitClass;
  readonly exitCode: number | null;
  readonly seconds: number;
  readonly peakMemoryMib: number;
  readonly tail: string;
  readonly frame: string | null;
}

/** Whether programs that were generated may run here; never, unless a self-test tried to break out and could not. */
export type GeneratedCode = { readonly accepted: true } | { readonly accepted: false; readonly reason: string };

/**
 * Where programs run. Implementations differ in how much they trust the program; `tier` names that on every result. `process` is for our
 * own recipes only: limits and a process group, but no isolation of files and network that was tried out.
 */
export interface Sandbox {
  readonly tier: 'process' | 'isolated';
  /** What stands between a program and this machine, outermost first. */
  readonly layers: readonly string[];
  readonly generatedCode: GeneratedCode;
  run(order: SolutionRun): Promise<RunOutcome>;
}
