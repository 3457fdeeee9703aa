import { z } from 'zod';
import { AgentHint, CancelRequest, EVENT_TYPES, JobFact, ObjectReference } from '#core/events.ts';
import { RunRequest } from '#core/requests.ts';

interface EventDoc {
  readonly type: string;
  readonly way: string;
  readonly what: string;
  readonly data: z.ZodType;
}

const fact = (type: string, what: string): EventDoc => ({ type, way: 'ledger → intake → anyone', what, data: JobFact });
const hint = (type: string, what: string): EventDoc => ({ type, way: 'agent → signals → collector', what, data: AgentHint });
const change = (type: string, what: string): EventDoc => ({ type, way: 'cluster → signals → collector', what, data: ObjectReference });

/** Every event type that has data: who sends it to whom, what it says, and the schema of its data. */
export const EVENT_DOCS: readonly EventDoc[] = [
  {
    type: EVENT_TYPES.requested,
    way: 'anyone → intake → submit',
    what: 'Please start a job. (source, id) makes a repeat harmless.',
    data: RunRequest,
  },
  { type: EVENT_TYPES.cancelRequested, way: 'anyone → intake → submit', what: 'Please cancel a job.', data: CancelRequest },
  fact(EVENT_TYPES.submitted, 'A job was accepted.'),
  fact(EVENT_TYPES.cancelling, 'A running job was asked to stop.'),
  fact(EVENT_TYPES.requeued, 'A job went back in line.'),
  fact(EVENT_TYPES.improved, 'A job has a better valid file.'),
  fact(EVENT_TYPES.succeeded, 'A job ended with a result.'),
  fact(EVENT_TYPES.failed, 'A job ended without a result.'),
  fact(EVENT_TYPES.timedOut, 'A job was cut off at its time limit.'),
  fact(EVENT_TYPES.cancelled, 'A job was cancelled.'),
  hint(EVENT_TYPES.started, 'An attempt has begun.'),
  hint(EVENT_TYPES.progressed, 'An attempt has something new to read.'),
  hint(EVENT_TYPES.exited, 'An attempt has ended.'),
  change(EVENT_TYPES.clusterAdded, 'A Job was created.'),
  change(EVENT_TYPES.clusterUpdated, 'A Job has changed.'),
  change(EVENT_TYPES.clusterDeleted, 'A Job is gone.'),
];

/** Files of `docs/events/`: one JSON Schema a type, and the catalogue. Deterministic. */
export function buildEventDocs(): Map<string, string> {
  const files = new Map<string, string>();
  for (const { type, what, data } of EVENT_DOCS) {
    const schema = z.toJSONSchema(data, { io: 'input', unrepresentable: 'any' });
    files.set(`${type}.schema.json`, `${JSON.stringify({ ...schema, title: type, description: what }, null, 2)}\n`);
  }
  const rows = EVENT_DOCS.map(({ type, way, what }) => `| [\`${type}\`](${type}.schema.json) | ${way} | ${what} |`);
  files.set(
    'README.md',
    [
      '# Events',
      '',
      'CloudEvents 1.0 over HTTP. Extensions: `attempt`, `tenant`, `traceparent`; the subject is the job id. Delivery is at least once and in no',
      'order. Written by `scripts/openapi.ts` from the schemas in `core/`.',
      '',
      '| type, schema of its data | way | what it says |',
      '| --- | --- | --- |',
      ...rows,
      '',
      'The tick (`dev.knative.sources.ping`) has no data that counts.',
      '',
    ].join('\n'),
  );
  return files;
}
