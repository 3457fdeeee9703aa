import { z } from 'zod';
import { JOB_STATES, JobState } from '#core/job.ts';
import { Switch, wholeNumber } from './query.ts';

/** Query of `GET /status/{id}`. */
export const StatusQuery = z.object({
  wait: wholeNumber({ min: 0, max: 55 })
    .optional()
    .meta({ description: 'Seconds to wait for news: until the job is final or, with If-None-Match, until it changes.' }),
});

const StateList = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(JobState).min(1).max(JOB_STATES.length))
  .meta({ type: 'string', description: 'One state, or several with commas between.' });

/** Query of `GET /jobs`. */
export const JobsQuery = z.object({
  status_filter: StateList.optional(),
  limit: wholeNumber({ min: 1, max: 500 }).default(100),
  cursor: z.string().min(1).max(500).optional().meta({ description: 'From `next_cursor` or the Link header of the page before.' }),
  request_source: z.string().min(1).max(2000).optional().meta({ description: 'With request_id: the job that an event asked for.' }),
  request_id: z.string().min(1).max(1000).optional(),
});

/** Query of `GET /result/{id}/submission.csv`. */
export const SubmissionQuery = z.object({
  best: Switch.optional().meta({ description: '1: the best file so far, in any state; headers say what it is.' }),
});

/** Query of `GET /logs/{id}`. */
export const LogsQuery = z.object({
  tail_lines: wholeNumber({ min: 0, max: 1_000_000 }).default(1000).meta({ description: 'How many of the last lines.' }),
  attempt: wholeNumber({ min: 1, max: 10_000 }).optional().meta({ description: 'Default: the current attempt.' }),
  follow: Switch.optional().meta({ description: '1: plain text that goes on until the job ends.' }),
});

/** Query of `GET /dead-letters`. */
export const DeadLettersQuery = z.object({ limit: wholeNumber({ min: 1, max: 500 }).default(100) });
