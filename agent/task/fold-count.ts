import type { TaskProfile } from '../evaluate/harness-protocol.ts';

/** Where five folds are the harness's own choice; fewer rows need each of them, and more have three. */
const MOST_ROWS = 100_000;
const LEAST_ROWS = 1_000;
/** Two at a time, four take two rounds where five take three. */
const FEWER_FOLDS = 4;
/** Of the time limit, for the first boosting model over five folds. */
const BOOSTING_SHARE = 0.2;
/** What quick boosting took for a million cells over five folds, two at a time (measured on two cores, six sets: 15 to 60 s). */
const SECONDS_OF_MILLION = 20;
/** Columns that are made besides those given; a text column becomes so many. */
const COLUMNS_BESIDE = 10;
const COLUMNS_OF_TEXT = 25;

/** How many folds to cut; null leaves it to the harness, which goes by rows. Fewer where five would take much of the time limit: more models fit then. Pure. */
export function chooseFoldCount(profile: TaskProfile, limitS: number): number | null {
  const { shape, train_rows: rows } = profile;
  if ((shape !== 'rows' && shape !== 'groups') || rows < LEAST_ROWS || rows > MOST_ROWS) return null;
  const seconds = (SECONDS_OF_MILLION * countCells(profile)) / 1_000_000;
  return seconds > BOOSTING_SHARE * limitS ? FEWER_FOLDS : null;
}

/** Cells that boosting looks at in a round: it grows a tree a class, though smaller ones. */
function countCells({ train_rows: rows, feature_columns: features, column_types: types, targets }: TaskProfile): number {
  const texts = features.filter((name) => types[name] === 'text').length;
  const trees = targets.reduce((sum, { classes }) => sum + Math.max(1, (classes?.length ?? 0) / 2), 0);
  return rows * (features.length + COLUMNS_BESIDE + COLUMNS_OF_TEXT * texts) * trees;
}
