import { parse } from 'csv-parse/sync';
import { gunzipSync } from 'node:zlib';
import { METRICS, type Metric } from './metrics.ts';

/** The hidden answers of a competition, by key. `isPublic` says which part of the leaderboard a row counts for. */
export interface Answers {
  idColumn: string;
  targets: string[];
  rows: Map<string, { values: string[]; isPublic: boolean }>;
}

/** Scores on the two parts of the hidden answers. */
export interface Score {
  publicScore: number;
  privateScore: number;
}

/** A submission that cannot be scored; the message is shown to the submitter. */
export class SubmissionInvalid extends Error {
  override readonly name = 'SubmissionInvalid' as const;
}

const MAX_SUBMISSION_BYTES = 100 * 1024 * 1024;

/** The metric with that name; throws when there is none, listing those that exist. */
export function findMetric(name: string): Metric {
  const metric = Object.hasOwn(METRICS, name) ? METRICS[name] : undefined;
  if (!metric) throw new Error(`There is no metric "${name}". Known ones: ${Object.keys(METRICS).join(', ')}.`);
  return metric;
}

/** Read `answers.csv`: a key column, one column a target, and `Usage` (Public or Private). */
export function parseAnswers(csv: string, idColumn: string): Answers {
  const { header, rows } = parseTable(csv);
  const id = header.indexOf(idColumn);
  const usage = header.indexOf('Usage');
  if (id < 0 || usage < 0) throw new Error(`answers.csv needs the columns ${idColumn} and Usage; it has ${header.join(', ')}.`);
  const targetIndexes = header.map((_, index) => index).filter((index) => index !== id && index !== usage);
  const entries = rows.map((row): [string, Answers['rows'] extends Map<string, infer V> ? V : never] => [
    row[id] ?? '',
    { values: targetIndexes.map((index) => row[index] ?? ''), isPublic: row[usage] === 'Public' },
  ]);
  return { idColumn, targets: targetIndexes.map((index) => header[index] ?? ''), rows: new Map(entries) };
}

/** Score a submission file on both parts. Throws `SubmissionInvalid` in words like Kaggle's when it cannot be scored. */
export function scoreSubmission(bytes: Buffer, answers: Answers, metricName: string): Score {
  const metric = findMetric(metricName);
  const { columns, byKey } = readSubmission(bytes, answers, metric);
  const parts = { public: emptyPart(), private: emptyPart() };
  for (const [key, answer] of answers.rows) {
    const part = answer.isPublic ? parts.public : parts.private;
    part.truth.push(answer.values);
    part.submitted.push(byKey.get(key) ?? []);
  }
  try {
    return {
      publicScore: metric.score({ ...parts.public, columns }),
      privateScore: metric.score({ ...parts.private, columns }),
    };
  } catch (error) {
    if (error instanceof RangeError) throw new SubmissionInvalid(`Evaluation Exception: ${error.message}`);
    throw error;
  }
}

function emptyPart(): { truth: string[][]; submitted: string[][] } {
  return { truth: [], submitted: [] };
}

function readSubmission(bytes: Buffer, answers: Answers, metric: Metric): { columns: string[]; byKey: Map<string, string[]> } {
  if (bytes.length > MAX_SUBMISSION_BYTES) throw new SubmissionInvalid('The submission file is too large.');
  const { header, rows } = readTable(bytes);
  const id = header.indexOf(answers.idColumn);
  if (id < 0) throw new SubmissionInvalid(`Required column '${answers.idColumn}' could not be found`);
  const columns = metric.isWide || metric.isSurvival ? header.filter((_, index) => index !== id) : answers.targets;
  if (metric.isSurvival && columns.length !== 1) throw new SubmissionInvalid('A submission has one column besides the key.');
  const indexes = columns.map((column) => header.indexOf(column));
  const missing = columns.find((_, i) => (indexes[i] ?? -1) < 0);
  if (missing !== undefined) throw new SubmissionInvalid(`Required column '${missing}' could not be found`);
  const extra = header.find((name, index) => index !== id && !columns.includes(name));
  if (extra !== undefined) throw new SubmissionInvalid(`Unexpected column '${extra}'`);
  if (rows.length !== answers.rows.size)
    throw new SubmissionInvalid(`Evaluation Exception: Submission must have ${answers.rows.size} rows`);
  return { columns, byKey: indexRows(rows, { id, indexes, columns, answers, needsNumbers: metric.needsNumbers }) };
}

interface RowRules {
  id: number;
  indexes: number[];
  columns: string[];
  answers: Answers;
  needsNumbers: boolean;
}

function indexRows(rows: string[][], rules: RowRules): Map<string, string[]> {
  const byKey = new Map<string, string[]>();
  for (const [line, row] of rows.entries()) {
    const key = row[rules.id] ?? '';
    const where = `(Line ${line + 2}, Column ${rules.id + 1})`;
    if (byKey.has(key))
      throw new SubmissionInvalid(`The value '${key}' in the key column '${rules.answers.idColumn}' has already been defined ${where}`);
    if (!rules.answers.rows.has(key))
      throw new SubmissionInvalid(`Unexpected value '${key}' in the key column '${rules.answers.idColumn}' ${where}`);
    const values = rules.indexes.map((index) => (row[index] ?? '').trim());
    for (const [i, value] of values.entries()) {
      if (value === '') throw new SubmissionInvalid(`Empty value in column '${rules.columns[i]}' (Line ${line + 2})`);
      if (rules.needsNumbers && !Number.isFinite(Number(value))) {
        throw new SubmissionInvalid(
          `Unable to parse '${value.slice(0, 60)}' as a number in column '${rules.columns[i]}' (Line ${line + 2})`,
        );
      }
    }
    byKey.set(key, values);
  }
  return byKey;
}

/** A submission as a table, packed or not. Throws `SubmissionInvalid`. */
export function readTable(bytes: Buffer): { header: string[]; rows: string[][] } {
  try {
    return parseTable(unpack(bytes).toString('utf8'));
  } catch (error) {
    throw new SubmissionInvalid(
      `Could not parse the submission as CSV: ${error instanceof Error ? error.message.slice(0, 200) : 'unknown error'}`,
    );
  }
}

/** A gzip file's content (Kaggle scores packed files too), or the bytes as they are. Throws when there is too much or it is broken. */
function unpack(bytes: Buffer): Buffer {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: MAX_SUBMISSION_BYTES }) : bytes;
}

/** Header and rows of a CSV text. Throws what the parser throws. */
export function parseTable(csv: string): { header: string[]; rows: string[][] } {
  const [header = [], ...rows] = parse(csv, { bom: true, skip_empty_lines: true, relax_column_count: false });
  return { header: header.map((name) => name.trim()), rows };
}
