import type { Expected } from '../evaluate/harness-protocol.ts';
import type { Leaderboard } from '../phases/submit.ts';
import type { RunContext, Task } from '../context.ts';
import type { Search } from '../search/search.ts';

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
  };
}
export type Evidence = ReturnType<typeof writeEvidence>;

function findProgramHash(run: RunContext, number: number): string | null {
  const started = [...run.earlier.started.values(), ...run.journal.facts()].filter((fact) => fact.type === 'solution-started');
  return started.findLast((fact) => fact.number === number)?.program?.sha256 ?? null;
}
