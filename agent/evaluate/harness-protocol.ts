/**
 * The JSON-lines protocol between the orchestrator (TypeScript) and the harness (`agent/python/harness.py`), a trusted process that
 * cuts folds, grades, decodes, blends and validates. One request a line on stdin, one reply a line on stdout; logs go to stderr.
 * Only the harness ever sees validation labels; a solution's process sees the folders that `cut` names, and nothing else.
 */
import { z } from 'zod';
import { Score, Trust } from '#core/job.ts';
import { TrustCheck } from '#core/report.ts';
import { MetricId } from './metric-ids.ts';

export const Direction = z.enum(['maximize', 'minimize']);
export type Direction = z.infer<typeof Direction>;

/** The metric, fixed once before the first solution. `proxy` = the competition's own metric is unknown to us, this is the nearest. */
export const FixedMetric = z.object({
  id: MetricId,
  direction: Direction,
  display_name: z.string(),
  source: z.enum(['api', 'evaluation-page', 'overview', 'schema']),
  proxy: z.boolean(),
  /** How many places of a ranking count; null = all, or no ranking. */
  k: z.int().positive().nullable().default(null),
});
export type FixedMetric = z.infer<typeof FixedMetric>;

/** How the submission file looks: taken from the sample file, or from test file and description when there is none. */
export const SubmissionSchema = z.object({
  source: z.enum(['sample-file', 'description', 'test-file']),
  file_name: z.string(),
  separator: z.string(),
  encoding: z.string(),
  compression: z.enum(['none', 'gzip', 'zip']),
  decimal: z.enum(['.', ',']),
  columns: z.array(z.string()),
  id_columns: z.array(z.string()),
  target_columns: z.array(z.string()),
  row_count: z.int(),
  /**
   * `label` = a class or a number a target column; `probability` = one positive-class probability; `class_columns` = one column a class; `quantiles` = one a level;
   * `ranking` = the likeliest classes, best first, with blanks between them; `answer` = a text: a list, a set, words, run lengths;
   * `order` = every point once; `program` = no table, a program that plays.
   */
  form: z.enum(['value', 'label', 'probability', 'class_columns', 'quantiles', 'ranking', 'answer', 'order', 'program']),
});
export type SubmissionSchema = z.infer<typeof SubmissionSchema>;

export const TargetProfile = z.object({
  name: z.string(),
  type: z.enum([
    'binary',
    'multiclass',
    'regression',
    'quantile',
    'survival',
    'list',
    'set',
    'text',
    'mask',
    'masks',
    'boxes',
    'order',
    'move',
  ]),
  /** Class labels as text, in the fixed order of score columns; null for all other types. */
  classes: z.array(z.string()).nullable(),
  /** Levels between 0 and 1, one a column of the submission. */
  quantiles: z.array(z.number()).nullish(),
  /** Survival: the columns of its labels, and what a high score says. */
  survival: z.object({ event_column: z.string(), duration_column: z.string(), score_means: z.enum(['risk', 'survival']) }).nullish(),
});

/** A column that the test has filled otherwise than the training rows, and what folds do about it. */
export const GivenColumn = z.object({
  name: z.string(),
  /** `missing`: empty in `steps` of a block; `last-known`, `first-of-block`: held still; `kept`: as it is; `dropped`: not shown at all. */
  how: z.enum(['missing', 'last-known', 'first-of-block', 'kept', 'dropped']),
  steps: z.array(z.int()),
  reason: z.string(),
});

/** A table beside train and test. `by-key`: a run sees the rows of its own entities; `by-time`: a fold sees what lies before it. */
export const TableProfile = z.object({
  name: z.string(),
  file: z.string(),
  rows: z.int(),
  key: z.array(z.string()),
  relation: z.enum(['one', 'many', 'none']),
  entity: z.string().nullable(),
  time_column: z.string().nullable(),
  given: z.enum(['whole', 'by-key', 'by-time', 'withheld']),
  withheld_columns: z.array(z.string()),
  reason: z.string(),
});

/** What the caller says of the task, instead of what the harness would find out. */
export const TaskWanted = z.object({
  shape: z.enum(['rows', 'groups', 'time', 'panel']).nullable(),
  group_column: z.string().nullable(),
  time_column: z.string().nullable(),
  one_row_at_a_time: z.boolean().nullable(),
  allow_data_leaks: z.boolean(),
});
export type TaskWanted = z.infer<typeof TaskWanted>;

/** What answers or programs are judged by, without labels. `of`: which recipes know it; `proxy`: the competition's own score is another. */
export const Objective = z.object({
  id: z.enum(['tour_length', 'win_rate']),
  of: z.enum(['tour', 'four-in-a-row']),
  display_name: z.string(),
  proxy: z.boolean(),
  /** A tour: the way back to the start counts, though answers do not name it. */
  returns: z.boolean().optional(),
  /** A game: what a move may take. */
  move_limit_s: z.number().positive().optional(),
});

export const TaskProfile = z.object({
  schema_version: z.literal(1),
  /** `answer`: no labels, a file judged by an objective function; `agent`: none either, a program judged by games. */
  kind: z.enum(['rows', 'answer', 'agent']),
  /** Unit that a fold cuts (solution contract, section 2), why, and how sure that is; `panel`: blocks of time of many series. Without labels: the kind. */
  shape: z.enum(['rows', 'groups', 'time', 'panel', 'recommender', 'answer', 'agent']),
  shape_reason: z.string().default(''),
  shape_confidence: z.enum(['asked', 'certain', 'likely', 'guess']).default('likely'),
  files: z.array(z.object({ name: z.string(), role: z.enum(['train', 'test', 'sample', 'table', 'media', 'other']), bytes: z.int() })),
  targets: z.array(TargetProfile).min(1),
  id_columns: z.array(z.string()),
  group_column: z.string().nullable(),
  time_column: z.string().nullable(),
  /** The columns that together name a series of a panel. */
  entity_columns: z.array(z.string()).default([]),
  /** Row weights and queries (or eras), where the metric wants them and a column holds them. */
  weight_column: z.string().nullable().default(null),
  query_column: z.string().nullable().default(null),
  train_rows: z.int(),
  test_rows: z.int(),
  feature_columns: z.array(z.string()),
  column_types: z.record(z.string(), z.enum(['numeric', 'categorical', 'text', 'datetime', 'boolean', 'constant', 'media'])),
  /** What is held out of a table of interactions, where the rows are its users. */
  recommender: z
    .object({
      user_column: z.string(),
      item_column: z.string(),
      time_column: z.string().nullable(),
      held_out: z.int().positive(),
      how: z.enum(['last', 'random']),
    })
    .nullable()
    .default(null),
  given_columns: z.array(GivenColumn).default([]),
  /** Columns that name a file of each row. */
  media_columns: z.array(z.string()).default([]),
  tables: z.array(TableProfile).default([]),
  /** Whether the competition hands out its test rows one at a time: solutions may not look at the others. */
  one_row_at_a_time: z.boolean().default(false),
  /** What is measured where there are no labels; null where there are. */
  objective: Objective.nullable().default(null),
  submission: SubmissionSchema,
  /** What a person should know: dropped columns, leaks seen, guesses made. One line each. */
  warnings: z.array(z.string()),
});
export type TaskProfile = z.infer<typeof TaskProfile>;

/** Folders of one run; `predict_kind` says what its PREDICT folder holds (contract, section 3). */
export const RunFolders = z.object({
  run_id: z.string(),
  fold: z.int().nullable(),
  train_dir: z.string(),
  predict_dir: z.string(),
  predict_kind: z.enum(['validation', 'validation+test', 'test']),
  train_rows: z.int(),
  predict_rows: z.int(),
});
export type RunFolders = z.infer<typeof RunFolders>;

export const CutReply = z.object({
  fold_count: z.int(),
  runs: z.array(RunFolders).min(1),
  /** Needed when the folds do not predict the test rows (time shape, or test more than 3 times the training set). */
  final_run: RunFolders.nullable(),
  /** All labelled rows, with few of them: this run may replace the mean of the folds' test scores. */
  refit_run: RunFolders.nullable(),
  seconds: z.number(),
});
export type CutReply = z.infer<typeof CutReply>;

/** The folders of all runs, folds first. */
export function listRunFolders({ runs, final_run: final, refit_run: refit }: CutReply): RunFolders[] {
  return [...runs, ...[final, refit].filter((folders) => folders !== null)];
}

/** A rule that a submission file keeps or breaks. */
export const Check = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });
export type Check = z.infer<typeof Check>;

/** One fold of one solution as the grader measured it. `failure` = the output was refused (one line), and nothing was scored. */
export const FoldGrade = z.object({
  fold: z.int(),
  score: z.number().nullable(),
  rows: z.int(),
  failure: z.string().nullable(),
  seconds: z.number(),
});
export type FoldGrade = z.infer<typeof FoldGrade>;

/** Only the harness makes these. `low`/`high`: 95 % interval of `score`; `pooled`: metric over all rows at once or the mean over folds. */
export const Evaluation = z.object({
  solution: z.int(),
  score: z.number(),
  low: z.number(),
  high: z.number(),
  standard_error: z.number(),
  fold_scores: z.array(z.number()),
  aggregate: z.enum(['mean-of-folds', 'pooled']),
  decoder: z.record(z.string(), z.unknown()),
  checks: z.array(TrustCheck),
  trust: Trust,
  /** It gave raw scores in every fold: decisions cannot be blended or stacked. */
  raw: z.boolean(),
  seconds: z.number(),
});
export type Evaluation = z.infer<typeof Evaluation>;

/** What the leaderboard should say: corrected for the choice among candidates, with a 95 % interval for half of the test rows. */
export const Expected = Score.extend({ selection: z.number(), candidates: z.int() });
export type Expected = z.infer<typeof Expected>;

/** `control`: nothing changed; `fresh`: other seed and ids; `mirrored`: opposite labels; `alone`: one row to answer. */
export const ProbeKind = z.enum(['control', 'fresh', 'mirrored', 'alone']);
export type ProbeKind = z.infer<typeof ProbeKind>;

/** How a probe ended: with an output, or not; `is_fault`: by the program's own doing. */
export const ProbeOutcome = z.object({
  kind: ProbeKind,
  out_dir: z.string().nullable(),
  failure: z.string().nullable(),
  is_fault: z.boolean(),
});
export type ProbeOutcome = z.infer<typeof ProbeOutcome>;

export const BlendReply = z.object({
  evaluation: Evaluation,
  weights: z.array(z.object({ solution: z.int(), weight: z.number() })),
  /** Nested estimate: weights chosen without the scored fold. The evaluation's score is this one. */
  nested: z.literal(true),
});
export type BlendReply = z.infer<typeof BlendReply>;

export const SubmissionReply = z.object({
  path: z.string(),
  sha256: z.string(),
  bytes: z.int(),
  rows: z.int(),
  valid: z.boolean(),
  checks: z.array(Check),
});
export type SubmissionReply = z.infer<typeof SubmissionReply>;

const Empty = z.object({});

/** Method name → params and result. `solution` numbers are given by the orchestrator: 0 = the constant baseline. */
export const HARNESS_METHODS = {
  /** Versions of Python and of the packages; also loads the heavy imports. */
  hello: { params: Empty, result: z.object({ python: z.string(), packages: z.record(z.string(), z.string()), pid: z.int() }) },
  /** Reads the unpacked competition folder. `description`: page texts, hostile, used for the submission format only. */
  profile: {
    params: z.object({
      data_dir: z.string(),
      description: z.string(),
      slug: z.string(),
      metric: FixedMetric.nullable(),
      wanted: TaskWanted.nullable().default(null),
      /** What the folders of all runs may take together; null = half of what is free. */
      staging_mib: z.int().positive().nullable().default(null),
    }),
    result: TaskProfile,
  },
  /** Fixes the task: profile and metric never change afterwards. Must come before any method below. */
  fix_task: {
    params: z.object({
      data_dir: z.string(),
      work_dir: z.string(),
      profile: TaskProfile,
      metric: FixedMetric,
      seed: z.int(),
      /** Larger data lie on the disk once, under further names in each run's folders; absent = 1 GiB. */
      share_above_mib: z.int().nonnegative().optional(),
    }),
    result: Empty,
  },
  /** Constant predictions fitted nested on the folds' training parts, graded like any solution, as solution 0. */
  baseline: { params: Empty, result: z.object({ evaluation: Evaluation }) },
  /** Writes the run folders (idempotent). `fold_count` null = chosen by row count. */
  cut: { params: z.object({ fold_count: z.int().nullable() }), result: CutReply },
  /** Grades OUT_DIR of one fold's run of one solution; keeps its out-of-fold and test scores. */
  grade_fold: { params: z.object({ solution: z.int(), run_id: z.string(), out_dir: z.string() }), result: FoldGrade },
  /** Scores OUT_DIR of one fold's run of a changed program of a graded solution, beside the solution's own; keeps nothing. */
  measure_fold: {
    params: z.object({ solution: z.int(), run_id: z.string(), out_dir: z.string() }),
    result: z.object({ score: z.number().nullable(), full: z.number().nullable(), failure: z.string().nullable() }),
  },
  /** Takes OUT_DIR of the separate final run. */
  take_final: { params: z.object({ solution: z.int(), out_dir: z.string() }), result: z.object({ failure: z.string().nullable() }) },
  /** Takes OUT_DIR of the refit: its test scores replace the folds' mean unless the two disagree. `evaluation`: of a finished solution. */
  take_refit: {
    params: z.object({ solution: z.int(), out_dir: z.string() }),
    result: z.object({ adopted: z.boolean(), detail: z.string(), evaluation: Evaluation.nullable() }),
  },
  /** All folds are graded: fits the decoder nested and makes the evaluation. */
  finish_solution: { params: z.object({ solution: z.int() }), result: Evaluation },
  /** Shrunk bagged greedy weights over the out-of-fold scores of finished solutions, as a new solution; `families`: what each is a kind of. */
  blend: { params: z.object({ solution: z.int(), members: z.array(z.int()).min(1), families: z.array(z.string()) }), result: BlendReply },
  /** Writes the folds of a stack: a program that learns from other solutions' scores, too (solution contract, section 4). */
  cut_stack: {
    params: z.object({ solution: z.int(), members: z.array(z.int()).min(2) }),
    result: z.object({ runs: z.array(RunFolders).min(1) }),
  },
  /** Writes what members are trained on again without the rows of two folds; `fold` = the one that is left out. */
  cut_rebuild: { params: Empty, result: z.object({ runs: z.array(RunFolders).min(1) }) },
  /** Takes a member's OUT_DIR of such a run. */
  take_rebuild: {
    params: z.object({ solution: z.int(), run_id: z.string(), out_dir: z.string() }),
    result: z.object({ failure: z.string().nullable() }),
  },
  /** Writes the folds of the stack over members that are rebuilt, once all are. */
  cut_rebuilt_stack: { params: z.object({ solution: z.int() }), result: z.object({ runs: z.array(RunFolders).min(1) }) },
  /** Takes the stack's OUT_DIR of such a run. With both, `finish_solution` scores the stack by them alone. */
  take_rebuilt_stack: {
    params: z.object({ solution: z.int(), run_id: z.string(), out_dir: z.string() }),
    result: z.object({ failure: z.string().nullable() }),
  },
  /** Whether a finished stack beats another solution beyond noise, on the rows of those two folds. */
  judge_stack: {
    params: z.object({ solution: z.int(), against: z.int() }),
    result: z.object({ wins: z.boolean(), detail: z.string() }),
  },
  /** All labelled rows, if a member's runs without two folds say that a refit is better than the mean of its folds. `take_refit` takes it. */
  cut_refit: { params: z.object({ solution: z.int() }), result: z.object({ run: RunFolders.nullable(), detail: z.string() }) },
  /** Whether a generated program may run; `reason` says why not: it carries what looks like answers. */
  check_program: { params: z.object({ path: z.string() }), result: z.object({ reason: z.string().nullable() }) },
  /** Kind `agent`: takes the moves of the round before (null = there was none) and writes the positions of the next; `run` null = all games are over. */
  play_round: {
    params: z.object({ solution: z.int(), program: z.string(), out_dir: z.string().nullable() }),
    result: z.object({ run: RunFolders.nullable(), left: z.int(), failure: z.string().nullable() }),
  },
  /** Folders of the probes of a finalist; `generated`: the program was not written by us. */
  cut_probes: {
    params: z.object({ generated: z.boolean() }),
    /** None without labels. */
    result: z.object({ probes: z.array(z.object({ kind: ProbeKind, run: RunFolders })) }),
  },
  /** The evaluation with what the probes say. */
  judge_probes: {
    params: z.object({ solution: z.int(), generated: z.boolean(), outcomes: z.array(ProbeOutcome) }),
    result: Evaluation,
  },
  /** How alike other solutions answer rows that they were not trained on, −1 to 1; null where that cannot be told. */
  correlate: {
    params: z.object({ solution: z.int(), others: z.array(z.int()) }),
    result: z.object({ correlations: z.array(z.object({ solution: z.int(), value: z.number().min(-1).max(1).nullable() })) }),
  },
  /** The score to expect on the leaderboard; null where rows are too few to say. `candidates`: all that could have been chosen. */
  expect_score: {
    params: z.object({ solution: z.int(), candidates: z.array(z.int()).min(1) }),
    result: z.object({ expected: Expected.nullable() }),
  },
  /** Decodes the test scores of a solution (or blend) into the competition's file and validates it against the schema. */
  write_submission: { params: z.object({ solution: z.int(), path: z.string() }), result: SubmissionReply },
  /** Validates any file against the schema. */
  validate: { params: z.object({ path: z.string() }), result: SubmissionReply },
  /** Writes / reads what a resumed attempt needs to go on without re-running: finished solutions' out-of-fold and test scores. */
  save_state: {
    params: z.object({ path: z.string(), solutions: z.array(z.int()) }),
    result: z.object({ sha256: z.string(), bytes: z.int() }),
  },
  load_state: { params: z.object({ path: z.string() }), result: z.object({ evaluations: z.array(Evaluation) }) },
} as const;
export type HarnessMethod = keyof typeof HARNESS_METHODS;
/** What a method answers. */
export type HarnessResultOf<M extends HarnessMethod> = z.infer<(typeof HARNESS_METHODS)[M]['result']>;

/** One reply line. `code` `bad-input` = the competition's files are at fault (final), `refused` = the request, `bug` = ours. */
export const HarnessReply = z.union([
  z.object({ id: z.int(), result: z.unknown() }),
  z.object({ id: z.int(), error: z.object({ code: z.enum(['bad-input', 'refused', 'bug']), message: z.string() }) }),
]);
