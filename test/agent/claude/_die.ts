import type { AgentParams } from '#agent/run.ts';
import { wrapWrites } from '#agent/storing.ts';

/** Writes that a later attempt goes on from: the journal, answers of Claude, programs, scores, best files. */
export const COUNTS = /\/(journal|claude|solutions|state|best)\//;

/** A store that stops taking anything after so many of those writes: the process is as good as dead then. */
export function dieAfter(params: AgentParams, writes: number, counts = COUNTS): AgentParams {
  let done = 0;
  const store = wrapWrites(params.store, async ({ key, write }) => {
    if (done >= writes) throw new Error('dead');
    if (counts.test(key)) done += 1;
    return write();
  });
  return { ...params, store };
}

/** How many of those writes the attempt makes. */
export function countWrites(params: AgentParams): { readonly params: AgentParams; readonly count: () => number } {
  let writes = 0;
  const store = wrapWrites(params.store, async ({ key, write }) => {
    if (COUNTS.test(key)) writes += 1;
    return write();
  });
  return { params: { ...params, store }, count: () => writes };
}
