import test from 'ava';
import type { FailureCode, Job } from '#core/job.ts';
import { DEFAULT_POLICY, computeRemainingS, decideAfterFailure, decideRemoval } from '#core/attempt-policy.ts';
import { makeJob, makeRead } from './_jobs.ts';

const MINUTE = 60_000;
const NOW = new Date('2026-01-01T12:00:00Z');
const after = (failure: FailureCode, job: Partial<Job> = {}) =>
  decideAfterFailure({ job: makeJob(job), failure, message: 'why', now: NOW, policy: DEFAULT_POLICY });

test('an attempt in order is left alone', (t) => {
  t.is(decideRemoval(makeRead({ afterMs: MINUTE }), DEFAULT_POLICY), null);
});

test('an attempt without a slot is never removed', (t) => {
  t.is(decideRemoval(makeRead({ attempt: { slotHeld: false }, job: { cancelRequestedAt: NOW } }), DEFAULT_POLICY), null);
});

test('a cancelled job has its attempt removed, whatever its state', (t) => {
  for (const state of ['launching', 'launched', 'claimed'] as const)
    t.is(decideRemoval(makeRead({ attempt: { state }, job: { cancelRequestedAt: NOW } }), DEFAULT_POLICY), 'cancelled');
});

test('an attempt that does not start within its time is removed, not a moment earlier', (t) => {
  const attempt = { state: 'launched', claimedAt: null } as const;
  t.is(decideRemoval(makeRead({ attempt, afterMs: 15 * MINUTE }), DEFAULT_POLICY), null);
  t.is(decideRemoval(makeRead({ attempt, afterMs: 15 * MINUTE + 1 }), DEFAULT_POLICY), 'cannot-start');
});

test('silence counts from the last stored word', (t) => {
  t.is(decideRemoval(makeRead({ afterMs: 10 * MINUTE + 1 }), DEFAULT_POLICY), 'stuck');
  const lastEventAt = new Date(NOW.getTime() + 5 * MINUTE);
  t.is(decideRemoval(makeRead({ attempt: { lastEventAt }, afterMs: 10 * MINUTE + 1 }), DEFAULT_POLICY), null);
});

test('the deadline runs from the first start over all attempts, plus a grace', (t) => {
  const lastEventAt = new Date(NOW.getTime() + 62 * MINUTE);
  const at = (afterMs: number) => decideRemoval(makeRead({ attempt: { lastEventAt }, afterMs }), DEFAULT_POLICY);
  t.is(at(62 * MINUTE), null);
  t.is(at(62 * MINUTE + 1), 'deadline');
});

test('a recorded attempt that goes on living is removed after a grace', (t) => {
  const attempt = { state: 'ended', endedAt: NOW } as const;
  t.is(decideRemoval(makeRead({ attempt, afterMs: 30_000 }), DEFAULT_POLICY), null);
  t.is(decideRemoval(makeRead({ attempt, afterMs: 30_001 }), DEFAULT_POLICY), 'stopped');
});

test('time left is the whole limit before the first start, and does not start again', (t) => {
  t.is(computeRemainingS(makeJob(), NOW), 3600);
  t.is(computeRemainingS(makeJob({ firstStartedAt: new Date(NOW.getTime() - 600_000) }), NOW), 3000);
});

for (const failure of ['bad-input', 'upstream-refused', 'spec-refused'] as const) {
  test(`${failure} is final at once`, (t) => {
    t.like(after(failure), { kind: 'final', state: 'failed', error: { code: failure, message: 'why' } });
  });
}

for (const failure of ['evicted', 'lost', 'stopped', 'claim-lost'] as const) {
  test(`${failure} is tried again and not charged to the job`, (t) => {
    t.like(after(failure, { failedAttempts: 2, attempt: 5 }), { kind: 'retry', charged: false });
  });
}

test('disruptions do not go on for ever', (t) => {
  t.like(after('lost', { attempt: 10 }), { kind: 'final', state: 'failed', error: { code: 'attempts-exhausted' } });
});

test('out of memory comes back with half as much again, within bounds, then ends', (t) => {
  t.like(after('out-of-memory'), { kind: 'retry', charged: true, resources: { memoryMib: 3072 } });
  const largest = { ...makeJob().options, resources: { cpuMillis: 1000, memoryMib: 65_536 } };
  t.like(after('out-of-memory', { options: largest }), { kind: 'final', error: { code: 'out-of-memory' } });
});

test('a crash gets one retry', (t) => {
  t.like(after('crashed'), { kind: 'retry', charged: true });
  t.like(after('crashed', { failedAttempts: 1 }), { kind: 'final', error: { code: 'crashed' } });
});

test('other failures end at the third', (t) => {
  t.like(after('no-manifest', { failedAttempts: 1 }), { kind: 'retry' });
  t.like(after('no-manifest', { failedAttempts: 2 }), { kind: 'final', state: 'failed' });
});

test('cancelled and cut off keep their own states', (t) => {
  t.like(after('cancelled'), { kind: 'final', state: 'cancelled' });
  t.like(after('deadline'), { kind: 'final', state: 'timeout' });
});

test('a failure with no time left is a timeout', (t) => {
  const firstStartedAt = new Date(NOW.getTime() - 3580_000);
  t.like(after('lost', { firstStartedAt }), { kind: 'final', state: 'timeout' });
});
