import type { z } from 'zod';
import { callerError } from './errors.ts';

/** What is wrong with one member of a body. */
export interface BodyFault {
  readonly pointer: string;
  readonly message: string;
}

/** The body by its schema. Throws AgentError 422 that names every wrong member. */
export function checkBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.slice(0, 20).map((issue) => ({
    pointer: `/${issue.path.map(String).join('/')}`,
    message: issue.message.slice(0, 300),
  }));
  throw refuseBody('The request body is wrong', faults);
}

/** The 422 of a body with these faults. */
export function refuseBody(head: string, faults: readonly BodyFault[]): Error {
  const text = `${head}: ${faults.map(({ pointer, message }) => `${pointer} ${message}`).join('; ')}`.slice(0, 1000);
  return callerError('invalid-body', 422, text, [...faults]);
}
