import type { ExecutionContext } from 'ava';
import type { JobStore } from '#core/ports.ts';
import { testChanges } from './job-store-changes.ts';
import { testEvents } from './job-store-events.ts';
import { testInserting } from './job-store-inserting.ts';
import { testLaunching } from './job-store-launching.ts';
import { testReading } from './job-store-reading.ts';

/** AVA's `test` or `test.serial`. */
export type DeclareTest = (title: string, run: (t: ExecutionContext) => Promise<void>) => void;

export interface JobStoreSuite {
  /** An empty ledger, closed at the end of the test; it must take many calls at once. */
  readonly create: (t: ExecutionContext) => Promise<JobStore>;
}

/** What every JobStore promises, whatever it is made of. */
export function testJobStore(test: DeclareTest, suite: JobStoreSuite): void {
  testInserting(test, suite);
  testReading(test, suite);
  testChanges(test, suite);
  testLaunching(test, suite);
  testEvents(test, suite);
}
