import { setTimeout as delay } from 'node:timers/promises';
import type { RunEnds } from '../errors.ts';
import type { RunContext } from '../context.ts';
import { KaggleError } from '#core/kaggle.ts';
import { AgentError } from '#core/errors.ts';
import { computeBackoffDelayMs } from '#core/retry.ts';
import { badInput, upstreamRefused } from '../errors.ts';
import { throwIfStopped } from '../context.ts';

const BACKOFF = { initialMs: 1_000, factor: 2, maxMs: 20_000 } as const;
/** How long an unwilling Kaggle is asked again, at most: a fifth of the time left, and two minutes. */
const MAX_PATIENCE_S = 120;

/** One call of Kaggle. What may work later is tried again inside the attempt's time; the rest ends the attempt with whose turn it is. */
export async function callKaggle<T>(run: RunContext, what: string, work: () => Promise<T>): Promise<T> {
  const untilS = run.deadline.elapsedS() + Math.min(MAX_PATIENCE_S, 0.2 * Math.max(0, run.deadline.remainingS()));
  for (let tries = 1; ; tries++) {
    throwIfStopped(run.signal);
    try {
      return await work();
    } catch (error) {
      throwIfStopped(run.signal);
      const waitMs = readWait(error, tries);
      if (waitMs === null || run.deadline.elapsedS() + waitMs / 1000 > untilS) throw explainKaggle(what, error);
      run.log.warn(`${what}: ${error instanceof Error ? error.message : 'failed'}; trying again in ${Math.round(waitMs / 100) / 10} s`);
      await delay(waitMs, undefined, { signal: run.signal }).catch(() => undefined);
    }
  }
}

function readWait(error: unknown, tries: number): number | null {
  if (!(error instanceof KaggleError) || error.turn !== 'retry-later' || error.kind === 'daily-limit') return null;
  return error.retryAfterMs ?? computeBackoffDelayMs(BACKOFF, tries, Math.random);
}

/** Whose turn it is after Kaggle said no: the user's is exit 64, the rest exit 69. Other errors pass through. */
export function explainKaggle(what: string, error: unknown): RunEnds | unknown {
  if (!(error instanceof KaggleError))
    return error instanceof AgentError ? upstreamRefused(`${what}: ${error.message}`, 'retry', error) : error;
  const link = error.rulesUrl !== null && !error.message.includes(error.rulesUrl) ? ` (${error.rulesUrl})` : '';
  const message = `${error.message}${link}`;
  if (error.turn === 'user' || error.kind === 'unsafe-archive') return badInput(message, error);
  return upstreamRefused(message, error.turn === 'operator' ? 'operator' : 'retry', error);
}
