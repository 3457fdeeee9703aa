import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunContext, Task } from '../context.ts';
import { cleanHint, fence } from './fence.ts';

const MAX_COLUMN_CHARS = 4_000;
const MAX_PREVIEW_CHARS = 3_000;
/** What is told of the pages as they are; longer ones are read by the analyst. */
export const MAX_PAGE_CHARS = 3_000;
const PREVIEW_ROWS = 4;

/** What Claude is told of the task: the same bytes in every call of a job, at most about 3,000 tokens. */
export async function writeTaskDigest(run: RunContext, task: Task, description: string): Promise<string> {
  const { profile, metric, folds } = task;
  const { resources } = run.spec;
  const targets = profile.targets.map(({ name, type, classes }) => ({ name, type, classes: classes?.slice(0, 30) ?? null }));
  const facts = [
    `Metric: ${metric.id}, ${metric.direction}${metric.k === null ? '' : `, at ${metric.k}`}.`,
    `Rows: ${profile.train_rows} to learn from, ${profile.test_rows} to answer in the end; ${folds.fold_count} folds by ${profile.shape}.`,
    `A run has ${Math.max(1, Math.floor(run.threads / run.foldsAtOnce))} thread(s) and about ${resources.memoryMib} MiB.`,
    `Packages: ${describePackages(run)}.`,
  ];
  const columns = Object.entries(profile.column_types)
    .map(([name, type]) => `${name}: ${type}${profile.id_columns.includes(name) ? ' (an id)' : ''}`)
    .join('\n');
  const beside = profile.tables
    .filter(({ given }) => given !== 'withheld')
    .map(({ name, rows, key, relation }) => `${name}: ${rows} rows, joined by ${key.join(', ')} (${relation})`)
    .join('\n');
  return [
    '# The task',
    ...facts,
    fence('targets', JSON.stringify(targets), MAX_COLUMN_CHARS),
    fence('columns', columns, MAX_COLUMN_CHARS),
    ...(beside === '' ? [] : [fence('tables beside', beside, MAX_COLUMN_CHARS)]),
    fence('first rows of PREDICT/rows.csv', await readPreview(task), MAX_PREVIEW_CHARS),
    ...(description.trim() === '' ? [] : [fence("from the competition's pages", description.trim(), MAX_PAGE_CHARS)]),
    ...(run.spec.hint === null ? [] : [`A hint of the person whose job this is; follow it within the rules: ${cleanHint(run.spec.hint)}`]),
  ].join('\n');
}

function describePackages({ versions }: RunContext): string {
  const { python, ...packages } = versions;
  delete packages['node'];
  const named = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return `Python ${python ?? '3'}, ${named.join(', ')}`;
}

/** Rows without labels: what Claude is told of one fold's answers would reach the program that is scored on them. */
async function readPreview(task: Task): Promise<string> {
  const dir = task.folds.runs[0]?.predict_dir;
  if (dir === undefined) return '';
  const text = await readFile(join(dir, 'rows.csv'), 'utf8').catch(() => '');
  return text.split('\n', PREVIEW_ROWS + 1).join('\n');
}
