import type { z } from 'zod';

/** The first three issues of a failed parse in one line: where, and what is wrong. */
export function describeIssues(error: z.ZodError): string {
  const lines = error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
  return lines.join('; ').slice(0, 500);
}
