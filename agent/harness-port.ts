import type { z } from 'zod';
import type { HARNESS_METHODS, HarnessMethod } from './evaluate/harness-protocol.ts';

/** What a method takes and gives, from the protocol's schemas. */
export type HarnessParams<M extends HarnessMethod> = z.input<(typeof HARNESS_METHODS)[M]['params']>;
export type HarnessResult<M extends HarnessMethod> = z.output<(typeof HARNESS_METHODS)[M]['result']>;

/** The trusted harness as the orchestrator uses it: cuts folds, grades, decodes, blends, validates. Throws HarnessFailure. */
export interface HarnessPort {
  call<M extends HarnessMethod>(method: M, params: HarnessParams<M>, options: { readonly timeoutMs: number }): Promise<HarnessResult<M>>;
  close(): Promise<void>;
}

/** `bad-input`: the competition's files are at fault (final). `refused`: our request. `died`: the process is gone or did not answer. */
export class HarnessFailure extends Error {
  override name = 'HarnessFailure' as const;
  readonly kind: 'bad-input' | 'refused' | 'bug' | 'died';

  constructor(kind: 'bad-input' | 'refused' | 'bug' | 'died', message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}
