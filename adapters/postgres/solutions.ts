import type { SolutionReport } from '#core/report.ts';
import type { Ledger } from './connect.ts';
import { withRetries } from './errors.ts';
import { isUuid } from './json.ts';

/** See JobStore.listSolutions: by number. */
export async function listSolutions({ db }: Ledger, jobId: string): Promise<SolutionReport[]> {
  if (!isUuid(jobId)) return [];
  const query = db.selectFrom('solutions').select('report').where('job_id', '=', jobId).orderBy('number');
  const rows = await withRetries(() => query.execute());
  return rows.map((row) => row.report);
}
