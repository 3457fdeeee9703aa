import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { startLocalPlane } from '#local/plane.ts';

/** Seconds of one demo run, split by the agent's own stopwatch. */
export interface AgentTime {
  readonly totalS: number;
  /** What was neither training nor grading, as a part of the whole. */
  readonly overhead: number;
}

const Evidence = z.object({
  seconds: z.object({ train: z.number(), grade: z.number() }).catchall(z.number()),
  totalSeconds: z.number(),
});
const COMPETITION = 'https://www.kaggle.com/competitions/ames-house-prices';
const POLL_MS = 500;

/** Solves the bundled house prices with the real agent, alone on the machine. Throws when the job does not succeed. */
export async function measureAgentTime(params: { readonly folder: string; readonly timeLimitS: number }): Promise<AgentTime> {
  const plane = await startLocalPlane({ dataDir: join(params.folder, 'agent'), port: 0, cap: 1, tickMs: 1000, logLevel: 'silent' });
  try {
    const response = await fetch(`${plane.url}/run`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kaggle_url: COMPETITION, time_limit_s: params.timeLimitS }),
    });
    const { job_id: id } = z.object({ job_id: z.string() }).parse(await response.json());
    const stopAt = performance.now() + (params.timeLimitS + 120) * 1000;
    let job = await plane.ports.store.getJob(id);
    while (job?.completedAt == null && performance.now() < stopAt) {
      await pause(POLL_MS);
      job = await plane.ports.store.getJob(id);
    }
    if (job?.state !== 'success') throw new Error(`the demo competition ended ${job?.state}: ${job?.reason}`);
    const evidence = await fetch(`${plane.url}/result/${id}/evidence.json`);
    const { seconds, totalSeconds } = Evidence.parse(await evidence.json());
    return { totalS: totalSeconds, overhead: 1 - (seconds.train + seconds.grade) / totalSeconds };
  } finally {
    await plane.close({ endAttempts: true });
  }
}
