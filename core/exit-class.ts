import { EXIT } from './job-spec.ts';
import type { FailureCode } from './job.ts';

/** Why the cluster itself ended a run, when it was not the program's own doing. */
export const END_CAUSES = ['out-of-memory', 'deadline', 'stopped', 'cannot-start', 'lost'] as const;
export type EndCause = (typeof END_CAUSES)[number];

/** How a run's end counts: its phase, and the class of its failure. */
export interface ExitClass {
  readonly phase: 'succeeded' | 'failed';
  readonly failure: FailureCode | null;
}

const CLASS_OF_CODE: ReadonlyMap<number, FailureCode> = new Map([
  [EXIT.badInput, 'bad-input'],
  [EXIT.upstreamRefused, 'upstream-refused'],
  [EXIT.stopped, 'stopped'],
  [EXIT.claimLost, 'claim-lost'],
  [137, 'out-of-memory'],
]);

/**
 * The class of an end (protocol: exit codes). `exitCode` is 128 + the signal's number for a program ended by a signal, null when unknown.
 * A cause of the cluster's own wins, except that a program asked to stop may still end with a class of its own (it finished, or saved).
 */
export function classifyExit(end: { readonly exitCode: number | null; readonly cause: EndCause | null }): ExitClass {
  const { exitCode, cause } = end;
  if (cause !== null && cause !== 'stopped') return { phase: 'failed', failure: cause };
  if (exitCode === EXIT.ok) return { phase: 'succeeded', failure: null };
  if (cause === 'stopped') {
    const own = exitCode === null || exitCode >= 128 ? undefined : CLASS_OF_CODE.get(exitCode);
    return { phase: 'failed', failure: own ?? 'stopped' };
  }
  return { phase: 'failed', failure: exitCode === null ? 'lost' : (CLASS_OF_CODE.get(exitCode) ?? 'crashed') };
}
