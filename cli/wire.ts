import { z } from 'zod';
import { HistoryLine, ProgressView } from '#core/responses.ts';

export { HealthView, InstructAccepted, JobListView, JobView, ResultView, RunAccepted } from '#core/responses.ts';

/** One event of a job's stream, as the command line reads it: `progress` is there when the agent said something. */
export const StreamEvent = HistoryLine.extend({ data: z.object({ progress: ProgressView.optional().catch(undefined) }).loose() });
export type StreamEvent = z.infer<typeof StreamEvent>;
export type ProgressView = z.infer<typeof ProgressView>;
