/** Exponential backoff with a cap. `random` in [0, 1) gives full jitter (AWS architecture blog, "Exponential backoff and jitter"). */
export interface BackoffPolicy {
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** Delay in ms before try number `tries + 1`, after `tries` ≥ 1 failures: uniform in [half, whole] of the capped exponential. */
export function computeBackoffDelayMs(policy: BackoffPolicy, tries: number, random: () => number): number {
  const exponent = Math.min(Math.max(tries, 1) - 1, 40);
  const whole = Math.min(policy.maxMs, policy.initialMs * policy.factor ** exponent);
  return Math.round(whole / 2 + (whole / 2) * random());
}

/** How long an unsent outbox row waits before it is sent again. */
export const OUTBOX_BACKOFF: BackoffPolicy = { initialMs: 1_000, factor: 2, maxMs: 300_000 };

/** How long a job waits when the cluster refused it for now (quota, 429, 5xx). */
export const LAUNCH_BACKOFF: BackoffPolicy = { initialMs: 2_000, factor: 2, maxMs: 300_000 };

/** How long a job waits before its next attempt. */
export const ATTEMPT_BACKOFF: BackoffPolicy = { initialMs: 1_000, factor: 3, maxMs: 60_000 };
