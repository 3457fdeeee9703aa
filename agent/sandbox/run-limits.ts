/** What a run may use besides the time and memory of its order. Sizes count what lies on the disk, so a file of holes is small. */
export interface RunLimits {
  readonly diskMib: number;
  readonly files: number;
  /** Processes and threads together. */
  readonly tasks: number;
  /** One file. */
  readonly fileMib: number;
  readonly openFiles: number;
  /** What the program may reserve beyond twice the order's memory: libraries reserve more than they use. */
  readonly reserveMib: number;
}

export const DEFAULT_LIMITS: RunLimits = { diskMib: 4_096, files: 20_000, tasks: 512, fileMib: 2_048, openFiles: 1_024, reserveMib: 4_096 };
