import type { z } from 'zod';
import { DeadLettersQuery, JobsQuery, LogsQuery, StatusQuery, SubmissionQuery } from './queries.ts';
import { InstructRequest, RunRequest } from '#core/requests.ts';
import {
  CancelAccepted,
  DeadLetterList,
  HealthView,
  HistoryLine,
  InstructAccepted,
  JobListView,
  JobView,
  LogsView,
  NodesView,
  ResultView,
  RunAccepted,
  SolutionDetail,
  SolutionListView,
} from '#core/responses.ts';

/** One answer of a route: JSON by a schema, or bytes of a type. */
export interface AnswerDoc {
  readonly status: number;
  readonly what: string;
  readonly schema?: z.ZodType;
  readonly mediaType?: string;
}

/** What the interface's description says about one route; the paths are the router's own. */
export interface RouteDoc {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly tag: 'jobs' | 'results' | 'events' | 'operations';
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly schema: z.ZodType | null; readonly mediaTypes: readonly string[]; readonly required: boolean };
  readonly answers: readonly AnswerDoc[];
  /** Statuses of problem+json answers. */
  readonly problems: readonly number[];
}

const json = (status: number, what: string, schema: z.ZodType): AnswerDoc => ({ status, what, schema, mediaType: 'application/json' });
const CSV: AnswerDoc = { status: 200, what: 'The file, as an attachment.', mediaType: 'text/csv' };

const JOBS: readonly RouteDoc[] = [
  {
    method: 'post',
    path: '/run',
    id: 'run',
    tag: 'jobs',
    summary: 'Start a job for a Kaggle competition. The query form ?url=… takes the place of a body.',
    headers: { 'Idempotency-Key': 'Makes a repeat harmless: the same key and body give the first answer again.' },
    body: { schema: RunRequest, mediaTypes: ['application/json'], required: false },
    answers: [json(201, 'Accepted. Location names the status; Idempotency-Replayed: true marks a repeat.', RunAccepted)],
    problems: [400, 413, 415, 422, 503],
  },
  {
    method: 'get',
    path: '/status/:id',
    id: 'getStatus',
    tag: 'jobs',
    summary: 'State, reason, progress and best score of a job. A strong ETag changes with the job.',
    query: StatusQuery,
    headers: { 'If-None-Match': 'An ETag: 304 while the job is unchanged.' },
    answers: [json(200, 'The job.', JobView), { status: 304, what: 'Unchanged.' }],
    problems: [404, 422, 503],
  },
  {
    method: 'get',
    path: '/jobs',
    id: 'listJobs',
    tag: 'jobs',
    summary: 'Jobs, newest first, in pages; Link: rel="next" leads on.',
    query: JobsQuery,
    answers: [json(200, 'A page, and the true total.', JobListView)],
    problems: [422, 503],
  },
  {
    method: 'delete',
    path: '/jobs/:id',
    id: 'cancelJob',
    tag: 'jobs',
    summary: 'Cancel a job that is not final. A pending one ends at once, a running one when its attempt has stopped.',
    answers: [json(200, 'Cancelled, or being cancelled.', CancelAccepted)],
    problems: [400, 404, 503],
  },
  {
    method: 'post',
    path: '/jobs/:id/instructions',
    id: 'instructJob',
    tag: 'jobs',
    summary:
      'Tell a job that is not final something: words for Claude, an idea to try first, what never to try, or to finish with the best so far.',
    body: { schema: InstructRequest, mediaTypes: ['application/json'], required: true },
    answers: [json(202, 'Stored; the agent hears it within seconds, or when the job starts.', InstructAccepted)],
    problems: [400, 404, 409, 413, 415, 422, 503],
  },
  {
    method: 'get',
    path: '/jobs/:id/events',
    id: 'streamEvents',
    tag: 'jobs',
    summary: "Server-sent events: the job's history, then live. Each event's id is seq; Last-Event-ID resumes.",
    headers: { 'Last-Event-ID': 'The last seq that was seen.' },
    answers: [
      { status: 200, what: 'The stream; it ends after the event "finished".', mediaType: 'text/event-stream', schema: HistoryLine },
      { status: 204, what: 'The job is final and everything was seen.' },
    ],
    problems: [404, 422, 503],
  },
];

const RESULTS: readonly RouteDoc[] = [
  {
    method: 'get',
    path: '/jobs/:id/solutions',
    id: 'listSolutions',
    tag: 'results',
    summary: 'The programs that were tried, with their scores.',
    answers: [json(200, 'All solutions.', SolutionListView)],
    problems: [404, 503],
  },
  {
    method: 'get',
    path: '/jobs/:id/solutions/:number',
    id: 'getSolution',
    tag: 'results',
    summary: 'One solution: code, diff to its parent, scores, checks, log.',
    answers: [json(200, 'The solution.', SolutionDetail)],
    problems: [404, 503],
  },
  {
    method: 'get',
    path: '/result/:id',
    id: 'getResult',
    tag: 'results',
    summary: 'What a finished job produced: score with interval, evidence, files with their hashes.',
    answers: [json(200, 'The result.', ResultView)],
    problems: [400, 404, 503],
  },
  {
    method: 'get',
    path: '/result/:id/submission.csv',
    id: 'getSubmission',
    tag: 'results',
    summary: 'The validated submission. 400 for every state but success; ?best=1 gives the best so far, labelled by headers.',
    query: SubmissionQuery,
    answers: [CSV],
    problems: [400, 404, 422, 503],
  },
  {
    method: 'get',
    path: '/result/:id/:file',
    id: 'getResultFile',
    tag: 'results',
    summary: 'Another file of the result, by its name.',
    answers: [{ status: 200, what: 'The file.', mediaType: '*/*' }],
    problems: [400, 404, 503],
  },
  {
    method: 'get',
    path: '/logs/:id',
    id: 'getLogs',
    tag: 'results',
    summary: "The attempt's log, the same before and after its pod is gone. ?follow=1 streams plain text.",
    query: LogsQuery,
    answers: [json(200, 'The last lines.', LogsView)],
    problems: [404, 422, 503],
  },
];

const OTHERS: readonly RouteDoc[] = [
  {
    method: 'post',
    path: '/events',
    id: 'receiveEvents',
    tag: 'events',
    summary: 'CloudEvents (binary, structured or batched) of the types job.requested.v1 and job.cancel-requested.v1.',
    body: {
      schema: null,
      mediaTypes: ['application/json', 'application/cloudevents+json', 'application/cloudevents-batch+json'],
      required: true,
    },
    answers: [{ status: 204, what: 'Done, or done before.' }],
    problems: [400, 413, 422, 503],
  },
  {
    method: 'get',
    path: '/health',
    id: 'getHealth',
    tag: 'operations',
    summary: 'State of the parts, and how many jobs wait and run.',
    answers: [json(200, 'The ledger answers.', HealthView), json(503, 'It does not.', HealthView)],
    problems: [],
  },
  {
    method: 'get',
    path: '/cluster/nodes',
    id: 'listNodes',
    tag: 'operations',
    summary: 'Nodes and their capacity.',
    answers: [json(200, 'The nodes.', NodesView)],
    problems: [503],
  },
  {
    method: 'get',
    path: '/dead-letters',
    id: 'listDeadLetters',
    tag: 'operations',
    summary: 'Events that no handler took, newest first.',
    query: DeadLettersQuery,
    answers: [json(200, 'The letters.', DeadLetterList)],
    problems: [422, 503],
  },
  {
    method: 'post',
    path: '/dead-letters/:id/redrive',
    id: 'redriveDeadLetter',
    tag: 'operations',
    summary: 'Send a dead letter to the intake broker again.',
    answers: [{ status: 200, what: 'Sent.', mediaType: 'application/json' }],
    problems: [404, 503],
  },
];

/** Every public route; a test compares it with the routers. */
export const ROUTE_DOCS: readonly RouteDoc[] = [...JOBS, ...RESULTS, ...OTHERS];
