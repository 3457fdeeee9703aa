import type { RequestContext } from '../http/app.ts';
import type { SolutionDetail, SolutionListView } from '#core/responses.ts';
import type { SolutionReport } from '#core/report.ts';
import type { StatusDependencies } from './app.ts';
import { buildSolutionView } from '../http/job-view.ts';
import { callerError } from '#core/errors.ts';
import { diffLines } from './diff.ts';
import { findJob, printable } from '../http/job-access.ts';
import { sendJson } from '../http/app.ts';

const MAX_TEXT_BYTES = 1024 * 1024;

/** `GET /jobs/{id}/solutions`: the tree, in the order of numbers. */
export async function showSolutions(deps: StatusDependencies, { res, tenant }: RequestContext, idText: string): Promise<void> {
  const job = await findJob(deps.store, tenant, idText);
  const solutions = await deps.store.listSolutions(job.id);
  const body: SolutionListView = { job_id: job.id, total: solutions.length, solutions: solutions.map(buildSolutionView) };
  sendJson(res, 200, body);
}

/** `GET /jobs/{id}/solutions/{n}`: one solution with code, diff to its first parent, and log. */
export async function showSolution(
  deps: StatusDependencies,
  { res, tenant }: RequestContext,
  idText: string,
  numberText: string,
): Promise<void> {
  const job = await findJob(deps.store, tenant, idText);
  const solutions = /^\d{1,9}$/.test(numberText) ? await deps.store.listSolutions(job.id) : [];
  const found = solutions.find((solution) => solution.number === Number(numberText));
  if (found === undefined) throw callerError('not-found', 404, `Job ${job.id} has no solution ${printable(numberText).slice(0, 20)}.`);
  const parent = solutions.find((solution) => solution.number === found.parents[0]);
  const [code, log, parentCode] = await Promise.all([
    readText(deps, job.id, found.codeKey),
    readText(deps, job.id, found.logKey),
    readText(deps, job.id, parent?.codeKey ?? null),
  ]);
  const diff = code === null || parentCode === null || parent === undefined ? null : describeDiff(parent, found, parentCode, code);
  sendJson(res, 200, { ...buildSolutionView(found), job_id: job.id, code, diff, log } satisfies SolutionDetail);
}

function describeDiff(parent: SolutionReport, child: SolutionReport, before: string, after: string): string | null {
  const lines = diffLines(before, after);
  return lines === null ? null : [`--- solution ${parent.number}`, `+++ solution ${child.number}`, ...lines].join('\n');
}

/** A stored text; null when missing or too large. A key that is not this job's is never followed: it came from the agent. */
async function readText(deps: StatusDependencies, jobId: string, key: string | null): Promise<string | null> {
  if (key === null || !key.startsWith(`jobs/${jobId}/`)) return null;
  const stat = await deps.artifacts.statObject(key);
  if (stat === null || stat.bytes > MAX_TEXT_BYTES) return null;
  const bytes = await deps.artifacts.readObject(key, MAX_TEXT_BYTES);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}
