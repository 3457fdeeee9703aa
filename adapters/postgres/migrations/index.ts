import type { Migration } from 'kysely/migration';
import * as jobsAndAttempts from './0001-jobs-and-attempts.ts';
import * as eventsAndKeys from './0002-events-and-keys.ts';
import * as prunedJobs from './0003-pruned-jobs.ts';
import * as noApiKeys from './0004-no-api-keys.ts';

/**
 * Every migration, in order of its number. Imported, not found in a folder: a bundle has none. A migration that was released is never
 * changed; a new one only adds (expand), and what nobody reads any more goes in a later one (contract).
 */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-jobs-and-attempts': jobsAndAttempts,
  '0002-events-and-keys': eventsAndKeys,
  '0003-pruned-jobs': prunedJobs,
  '0004-no-api-keys': noApiKeys,
};
