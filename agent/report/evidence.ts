import type { Expected } from '../evaluate/harness-protocol.ts';
import type { Leaderboard } from '../phases/submit.ts';
import type { RunContext, Task } from '../context.ts';
import type { Reproduction, ReproducedProgram } from './reproduction.ts';
import type { BlockEffect, ToldLesson } from '../journal/entries.ts';
import type { Search } from '../search/search.ts';
import type { SolutionReport } from '#core/report.ts';
import { arch, cpus } from 'node:os';

/** How the score was expected to be on the leaderboard, and what that said. */
export interface Outside {
  readonly leaderboard: Leaderboard | null;
  readonly expected: Expected | null;
}

/** Everything that lets somebody check the score: task, metric, folds, every solution, data and file hashes, journal head. */
export function writeEvidence(run: RunContext, task: Task, search: Search, { leaderboard, expected }: Outside) {
  const best = search.keeper.best;
  const { profile, metric } = task;
  const solutions = [...search.board.reports.values()].toSorted((left, right) => left.number - right.number);
  return {
    schemaVersion: 1,
    job: { id: run.spec.jobId, attempt: run.spec.attempt, competition: run.spec.slug, title: task.competition.title },
    task: {
      kind: profile.kind,
      shape: profile.shape,
      shapeReason: profile.shape_reason,
      shapeConfidence: profile.shape_confidence,
      givenColumns: profile.given_columns,
      mediaColumns: profile.media_columns,
      tables: profile.tables,
      recommender: profile.recommender,
      oneRowAtATime: profile.one_row_at_a_time,
      targets: profile.targets,
      trainRows: profile.train_rows,
      testRows: profile.test_rows,
      submission: profile.submission,
      warnings: profile.warnings,
    },
    metric,
    folds: { count: task.foldCount, hash: task.foldHash, seed: task.seed },
    best:
      best === null
        ? null
        : { ...best.solution.report, programSha256: findProgramHash(run, best.solution.number), weights: search.weights },
    submission: best === null ? null : { sha256: best.sha256, bytes: best.bytes, checks: best.checks },
    solutions,
    todos: search.todos.map(({ idea, origin, end }) => ({ kind: idea.kind, title: idea.title, hypothesis: idea.hypothesis, origin, end })),
    blocks: listBlockEffects(run),
    lessons: listToldLessons(run),
    expected,
    leaderboard,
    data: task.data,
    versions: run.versions,
    sandbox: run.sandbox.tier,
    isolation: { layers: run.sandbox.layers, generatedCode: run.sandbox.generatedCode },
    threads: run.threads,
    seconds: run.stopwatch.split(),
    totalSeconds: Math.round(run.deadline.elapsedS() * 1000) / 1000,
    notes: run.notes,
    journal: run.journal.head(),
    spend: { usd: run.used.llmUsd, budgetUsd: run.spec.budgetUsd },
    reproduction: describeReproduction(run, task, search),
  };
}
export type Evidence = ReturnType<typeof writeEvidence>;

/** What Claude was told of earlier jobs. */
function listToldLessons(run: RunContext): readonly ToldLesson[] {
  return run.earlier.lessons ?? run.journal.facts().flatMap((fact) => (fact.type === 'lessons-told' ? fact.lessons : []));
}

/** What blocks of programs are worth, as far as that was measured, in this attempt and those before. */
function listBlockEffects(run: RunContext): { readonly solution: number; readonly effects: readonly BlockEffect[] }[] {
  const now = run.journal.facts().flatMap((fact) => (fact.type === 'ablated' ? [[fact.solution, fact.effects] as const] : []));
  return [...new Map([...run.earlier.effects, ...now])].map(([solution, effects]) => ({ solution, effects }));
}

function findProgramHash(run: RunContext, number: number): string | null {
  return findProgram(run, number)?.sha256 ?? null;
}

function findProgram(run: RunContext, number: number) {
  const started = [...run.earlier.started.values(), ...run.journal.facts()].filter((fact) => fact.type === 'solution-started');
  return started.findLast((fact) => fact.number === number)?.program ?? null;
}

/** Null where the best is the constant, or a program that it needs is not known any more. */
function describeReproduction(run: RunContext, task: Task, search: Search): Reproduction | null {
  const best = search.keeper.best?.solution.report;
  if (best === undefined || best.kind === 'baseline') return null;
  const programs: ReproducedProgram[] = [];
  for (const { number, title, kind } of listNeeded(search, best)) {
    const program = findProgram(run, number);
    if (program === null || kind === 'baseline' || kind === 'blend') return null;
    const { recipe, sha256, params } = program;
    programs.push({ number, title, kind, file: `solution-${number}.py`, sha256, recipe, params });
  }
  return {
    seed: task.seed,
    threads: run.threads,
    foldsAtOnce: run.foldsAtOnce,
    memoryMib: run.spec.resources.memoryMib,
    timeLimitS: run.deadline.limitS(),
    overrides: run.spec.task,
    machine: { cpu: cpus()[0]?.model ?? 'unknown', arch: arch() },
    programs,
  };
}

/** The solutions with programs that have to run before this one is there: its own, and all that a blend or a stack was made of. */
function listNeeded(search: Search, best: SolutionReport): SolutionReport[] {
  const members = best.kind === 'blend' || best.kind === 'stack' ? best.parents : [];
  const found = members.flatMap((number) => search.board.reports.get(number) ?? []);
  return [...found, ...(best.kind === 'blend' ? [] : [best])].toSorted((left, right) => left.number - right.number);
}
