import type pg from 'pg';
import type { JobStore } from '#core/ports.ts';
import { findAttemptByName, getAttempt, listOpenAttempts, readWork, takeExpiredLaunches } from './attempts.ts';
import { changeAttempt } from './change-attempt.ts';
import { changeJob } from './change-job.ts';
import { claimSlots } from './claim-slots.ts';
import { openLedger, openPool, runStatement } from './connect.ts';
import type { ConnectOptions } from './connect.ts';
import { addCounters, readCounters } from './counters.ts';
import { getDeadLetter, insertDeadLetter, listDeadLetters, markRedriven } from './dead-letters.ts';
import { readHistories, readHistory } from './history.ts';
import { insertInbox } from './inbox.ts';
import { findJobByRequest } from './insert-job.ts';
import { createJobInserter } from './insert-many.ts';
import { leaseOutbox, markSent, rescheduleSend } from './outbox.ts';
import { forgetPruned, prune } from './prune.ts';
import { countJobs, getJob, listJobs } from './read-jobs.ts';
import { listSolutions } from './solutions.ts';

/** The ledger on Postgres; `close` ends the pool after the statements that run (a pool that was passed in is left open). */
export type PostgresJobStore = JobStore & { close(): Promise<void> };

/**
 * Makes the ledger on a database that `migrateToLatest` has prepared. Connects at the first use. Options of the connection are ignored when
 * a `pool` is given; make that one with `openPool`, which parses times and counts as the ledger needs them.
 */
export function createPostgresJobStore(options: ConnectOptions | { readonly pool: pg.Pool }): PostgresJobStore {
  const pool = 'pool' in options ? options.pool : openPool(options);
  const ledger = openLedger(pool);
  return {
    insertJob: createJobInserter(pool),
    getJob: (id) => getJob(pool, id),
    getAttempt: (jobId, number) => getAttempt(pool, jobId, number),
    findAttemptByName: (jobName) => findAttemptByName(pool, jobName),
    findJobByRequest: (tenant, source, id) => findJobByRequest(pool, tenant, source, id),
    listJobs: (query) => listJobs(ledger, query),
    countJobs: (tenant) => countJobs(ledger, tenant),
    changeJob: (params) => changeJob(pool, params),
    changeAttempt: (params) => changeAttempt(pool, params),
    claimSlots: (params) => claimSlots(pool, params),
    takeExpiredLaunches: (params) => takeExpiredLaunches(pool, params),
    listOpenAttempts: (params) => listOpenAttempts(pool, params),
    readWork: () => readWork(pool),
    readHistory: (params) => readHistory(pool, params),
    readHistories: (params) => readHistories(pool, params),
    listSolutions: (jobId) => listSolutions(ledger, jobId),
    leaseOutbox: (params) => leaseOutbox(pool, params),
    markSent: (eventIds) => markSent(pool, eventIds),
    rescheduleSend: (params) => rescheduleSend(pool, params),
    insertInbox: (params) => insertInbox(pool, params),
    insertDeadLetter: (letter) => insertDeadLetter(ledger, letter),
    listDeadLetters: (params) => listDeadLetters(ledger, params),
    getDeadLetter: (id) => getDeadLetter(ledger, id),
    markRedriven: (id) => markRedriven(ledger, id),
    prune: (params) => prune(pool, params),
    forgetPruned: (jobId) => forgetPruned(pool, jobId),
    ping: async () => {
      await runStatement(pool, { name: 'ping', text: 'SELECT 1' }, []);
    },
    addCounters: (counters) => addCounters(pool, counters),
    readCounters: () => readCounters(pool),
    close: async () => {
      // Not kysely's destroy(): it leaves the pool open when kysely itself was never used.
      if (!('pool' in options)) await pool.end();
    },
  };
}
