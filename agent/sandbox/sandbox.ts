/** How a run ended, as people count it (agent reference: failure classes). */
export const EXIT_CLASSES = ['ok', 'syntax', 'import', 'data', 'timeout', 'oom', 'disk', 'killed', 'stopped', 'crashed'] as const;
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
  readonly seed: number;
  readonly threads: number;
  readonly timeoutMs: number;
  readonly memoryMib: number;
  readonly onOutput: (chunk: string) => void;
  readonly signal: AbortSignal;
}

/** What one run came to. `tail` = its last output, cleaned by nobody: hostile text. */
export interface RunOutcome {
  readonly exitClass: ExitClass;
  readonly exitCode: number | null;
  readonly seconds: number;
  readonly peakMemoryMib: number;
  readonly tail: string;
}

/**
 * Where programs run. Implementations differ in how much they trust the program; `tier` names that on every result. `process` is for our
 * own recipes only: limits and a process group, but no isolation of files and network.
 */
export interface Sandbox {
  readonly tier: 'process' | 'isolated';
  run(order: SolutionRun): Promise<RunOutcome>;
}
