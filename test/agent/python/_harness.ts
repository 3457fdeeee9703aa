import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { startHarness } from '#agent/evaluate/harness-client.ts';
import type { Harness } from '#agent/evaluate/harness-client.ts';
import type { FixedMetric, RunFolders, TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { directionOf } from '#agent/task/metric.ts';
import { PYTHON } from '#test/_support/python.ts';

/** A folder that is gone after the test. */
export async function makeFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'harness-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A real harness process, closed after the test. `python`: what starts it, another than the product's. */
export function openHarness(t: ExecutionContext, python: string = PYTHON): Harness {
  const harness = startHarness({ python, threads: 1, env: { PATH: process.env['PATH'] }, timeoutMs: 60_000 });
  t.teardown(() => harness.close());
  return harness;
}

/** Writes the files of a competition (name → content) into a new folder. */
export async function writeFiles(t: ExecutionContext, files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await makeFolder(t);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** A metric as fixed from the API. */
export function metricOf(id: MetricId): FixedMetric {
  return { id, direction: directionOf(id), display_name: id, source: 'api', proxy: false, k: null };
}

export interface FixedCompetition {
  profile: TaskProfile;
  dataDir: string;
  workDir: string;
}

export interface FixOptions {
  readonly dataDir: string;
  readonly metric: MetricId;
  readonly description?: string;
  readonly proxy?: boolean;
  /** `ALL_SHARED`: runs share their data, as they do above 1 GiB. */
  readonly sharing?: Readonly<{ share_above_mib?: number }>;
}

/** However small, the data lie on the disk once. */
export const ALL_SHARED = { share_above_mib: 0 } as const;

/** Profiles and fixes a competition in one step. */
export async function fixTask(
  t: ExecutionContext,
  harness: Harness,
  { dataDir, metric, description = '', proxy = false, sharing = {} }: FixOptions,
): Promise<FixedCompetition> {
  const workDir = await makeFolder(t);
  const profile = await harness.profile({ data_dir: dataDir, description, slug: 'test', metric: metricOf(metric) });
  await harness.fixTask({ data_dir: dataDir, work_dir: workDir, profile, metric: { ...metricOf(metric), proxy }, seed: 7, ...sharing });
  return { profile, dataDir, workDir };
}

/** Numbers from 0 to 1 that are the same every time. */
export function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** CSV text with a header and `rows` rows made by `cells`. */
export function makeCsv(header: readonly string[], rows: number, cells: (row: number) => readonly (string | number)[]): string {
  const lines = Array.from({ length: rows }, (_, row) => cells(row).join(','));
  return `${[header.join(','), ...lines].join('\n')}\n`;
}

/** A small two-class competition: `x` tells the class most of the time. */
export function binaryCompetition(rows = 120, tests = 40): Record<string, string> {
  const random = makeRandom(3);
  const row = (id: number, labelled: boolean) => {
    const x = random() * 10;
    const label = x + random() * 4 > 7 ? 1 : 0;
    return [id, x.toFixed(3), ['red', 'green', 'blue'][Math.floor(random() * 3)] ?? '', ...(labelled ? [label] : [])];
  };
  return {
    'train.csv': makeCsv(['id', 'x', 'colour', 'target'], rows, (i) => row(i + 1, true)),
    'test.csv': makeCsv(['id', 'x', 'colour'], tests, (i) => row(rows + i + 1, false)),
    'sample_submission.csv': makeCsv(['id', 'target'], tests, (i) => [rows + i + 1, 0.5]),
  };
}

/** The rows of a run's PREDICT folder as objects, from rows.csv (no quoted cells in these tests). */
export function readCsv(text: string): Record<string, string>[] {
  const [header = '', ...lines] = text.trim().split('\n');
  const names = header.split(',').map((name) => name.replaceAll('"', ''));
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [names[i] ?? '', cell.replaceAll('"', '')])));
}

/** Runs whose order is the folds'. */
export function byFold(runs: readonly RunFolders[]): RunFolders[] {
  return runs.toSorted((a, b) => (a.fold ?? 0) - (b.fold ?? 0));
}
