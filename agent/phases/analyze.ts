import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskOverrides } from '#core/job.ts';
import type { Competition, CompetitionPage } from '#core/kaggle.ts';
import type { CutReply, FixedMetric, TaskProfile, TaskWanted } from '../evaluate/harness-protocol.ts';
import type { CompetitionData } from '../task/data.ts';
import type { RunContext, Task } from '../context.ts';
import { badInput } from '../errors.ts';
import { callHarness } from '../context.ts';
import { HarnessFailure } from '../harness-port.ts';
import { callKaggle } from '../task/kaggle-calls.ts';
import { chooseFoldCount } from '../task/fold-count.ts';
import { defaultMetric, findMetric, fitMetric, metricOfObjective } from '../task/metric.ts';
import { fetchData } from '../task/data.ts';
import { listRunFolders } from '../evaluate/harness-protocol.ts';

const MAX_DESCRIPTION_CHARS = 200_000;

/** A task, and whether solutions of earlier attempts may be taken over: same files, same folds. */
export interface Analysis {
  readonly task: Task;
  readonly resumable: boolean;
}

/**
 * Reads the competition, fixes the metric first and then the task, and cuts the folds. A later attempt keeps what the first fixed. Throws bad
 * input where the time limit is over before that.
 */
export async function analyze(run: RunContext): Promise<Analysis> {
  try {
    return await understand(run);
  } catch (error) {
    if (!(error instanceof HarnessFailure) || error.kind !== 'died' || run.deadline.remainingS() > 0) throw error;
    const limitS = Math.round(run.deadline.limitS());
    throw badInput(`The time limit of ${limitS} s was over before the data were read. Nothing was trained: give the job more time.`, error);
  }
}

async function understand(run: RunContext): Promise<Analysis> {
  run.voice.update({ stage: 'analyze', message: 'reading the competition' });
  const { slug } = run.spec;
  const competition = await callKaggle(run, 'reading the competition', () => run.kaggle.getCompetition(slug, { signal: run.signal }));
  const pages = await callKaggle(run, 'reading its pages', () => run.kaggle.getPages(slug, { signal: run.signal }));
  run.log.info(`competition: ${competition.title} (${competition.slug})`);
  const description = pages
    .map((page) => `# ${page.name}\n${page.content}`)
    .join('\n\n')
    .slice(0, MAX_DESCRIPTION_CHARS);
  const data = await run.stopwatch.measure('download', () => fetchData(run));
  run.voice.update({ message: 'looking at the data' });
  const before = run.earlier.task;
  const same = before !== null && sameData(before.data, data.files);
  if (before !== null && !same) note(run, "The competition's files changed since the attempt before: its solutions are set aside.");
  const fixed = same && before !== null ? before : await profileTask(run, { competition, pages, description, data });
  const seed = before?.seed ?? run.spec.seed;
  const setUp = { data_dir: data.dir, work_dir: join(run.workDir, 'harness'), profile: fixed.profile, metric: fixed.metric, seed };
  await run.stopwatch.measure('profile', () => callHarness(run, 'fix_task', setUp));
  const chosen = run.foldCount ?? chooseFoldCount(fixed.profile, run.deadline.limitS());
  const foldCount = same && before !== null ? before.foldCount : chosen;
  const folds = await run.stopwatch.measure('cut', () => callHarness(run, 'cut', { fold_count: foldCount }));
  const foldHash = await hashFolds(folds);
  const resumable = same && before?.foldHash === foldHash && before.foldCount === folds.fold_count;
  const task: Task = {
    ...fixed,
    seed,
    folds,
    foldCount: folds.fold_count,
    foldHash,
    data: data.files,
    competition,
    dataDir: data.dir,
    description,
  };
  if (!resumable) await writeTask(run, task);
  describeTask(run, task);
  return { task, resumable };
}

async function profileTask(
  run: RunContext,
  found: { competition: Competition; pages: CompetitionPage[]; description: string; data: CompetitionData },
): Promise<{ profile: TaskProfile; metric: FixedMetric }> {
  const { competition, pages, description, data } = found;
  const { metric: named, asked } = findMetric({ apiMetric: competition.evaluationMetric, pages });
  const profile = await run.stopwatch.measure('profile', () =>
    callHarness(run, 'profile', {
      data_dir: data.dir,
      description,
      slug: run.spec.slug,
      metric: named,
      wanted: readWanted(run.spec.task),
      staging_mib: run.stagingMib,
    }),
  );
  const metric = metricOfObjective(profile) ?? fitMetric(named ?? defaultMetric(profile, asked), profile);
  return { profile, metric };
}

function readWanted(task: TaskOverrides | null): TaskWanted | null {
  if (task === null) return null;
  return {
    shape: task.shape,
    group_column: task.groupColumn,
    time_column: task.timeColumn,
    one_row_at_a_time: task.oneRowAtATime,
    allow_data_leaks: task.allowDataLeaks,
  };
}

async function writeTask(run: RunContext, task: Task): Promise<void> {
  const { profile, metric, seed, foldCount, foldHash, data } = task;
  await run.journal.append({ type: 'task-fixed', profile, metric, seed, foldCount, foldHash, data: [...data] });
}

function describeTask(run: RunContext, task: Task): void {
  const { profile, metric } = task;
  const target = profile.targets.map((one) => `${one.name} (${one.type})`).join(', ');
  run.log.info(describeWork(task, target));
  const unit = `${profile.kind === 'rows' ? 'folds by' : 'kind'} ${profile.shape} (${profile.shape_confidence}): ${profile.shape_reason}`;
  if (profile.shape_confidence === 'certain') run.log.info(unit);
  else note(run, unit);
  run.log.info(
    `metric: ${metric.display_name} (${metric.direction}), found in: ${metric.source}${metric.proxy ? ', nearest that we compute' : ''}`,
  );
  for (const warning of profile.warnings.slice(0, 20)) note(run, warning);
  if (metric.proxy)
    note(run, `The competition's own metric (${metric.display_name}) is not one that we compute: ${metric.id} stands in for it.`);
  run.voice.update({ metric: metric.id, direction: metric.direction, message: `task understood: ${target}`.slice(0, 300) });
}

function describeWork({ profile, foldCount }: Task, target: string): string {
  if (profile.kind === 'answer') return `task: an order of ${profile.train_rows} points; each program's own order is measured`;
  if (profile.kind === 'agent') return `task: a program that plays; ${profile.test_rows} games in ${foldCount} batches`;
  return `task: predict ${target}; ${profile.train_rows} rows to learn from, ${profile.test_rows} to answer; ${foldCount} folds`;
}

function note(run: RunContext, text: string): void {
  run.notes.push(text);
  run.log.warn(text);
}

function sameData(left: readonly { name: string; sha256: string }[], right: readonly { name: string; sha256: string }[]): boolean {
  return (
    left.length === right.length && left.every((file, index) => file.name === right[index]?.name && file.sha256 === right[index]?.sha256)
  );
}

/** SHA-256 over what the runs are given to answer: the same folds and keys give the same value, whatever the labels. */
async function hashFolds(folds: CutReply): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of listRunFolders(folds)) {
    hash.update(`${folder.run_id} ${folder.train_rows} ${folder.predict_rows} ${folder.predict_kind}\n`);
    const rows = join(folder.predict_dir, 'rows.csv');
    if ((await stat(rows).catch(() => null)) === null) continue;
    for await (const chunk of createReadStream(rows)) hash.update(chunk);
  }
  return hash.digest('hex');
}
