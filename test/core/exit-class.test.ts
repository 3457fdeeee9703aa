import test from 'ava';
import { classifyExit } from '#core/exit-class.ts';
import type { EndCause } from '#core/exit-class.ts';
import type { FailureCode } from '#core/job.ts';

const cases: readonly (readonly [number | null, EndCause | null, FailureCode | null])[] = [
  [0, null, null],
  [64, null, 'bad-input'],
  [69, null, 'upstream-refused'],
  [75, null, 'stopped'],
  [76, null, 'claim-lost'],
  [137, null, 'out-of-memory'],
  [1, null, 'crashed'],
  [143, null, 'crashed'],
  [139, null, 'crashed'],
  [null, null, 'lost'],
  [0, 'stopped', null],
  [64, 'stopped', 'bad-input'],
  [75, 'stopped', 'stopped'],
  [76, 'stopped', 'claim-lost'],
  [1, 'stopped', 'stopped'],
  [137, 'stopped', 'stopped'],
  [143, 'stopped', 'stopped'],
  [null, 'stopped', 'stopped'],
  [0, 'deadline', 'deadline'],
  [75, 'deadline', 'deadline'],
  [0, 'out-of-memory', 'out-of-memory'],
  [null, 'cannot-start', 'cannot-start'],
  [null, 'lost', 'lost'],
];

for (const [exitCode, cause, failure] of cases) {
  test(`exit code ${exitCode ?? 'unknown'}, ended for ${cause ?? 'no cause of the cluster'}, is ${failure ?? 'success'}`, (t) => {
    t.deepEqual(classifyExit({ exitCode, cause }), { phase: failure === null ? 'succeeded' : 'failed', failure });
  });
}
