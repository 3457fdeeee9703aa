import type { Evidence } from './evidence.ts';
import type { TaskProfile } from '../evaluate/harness-protocol.ts';
import { show } from './markup.ts';

/** A program that a notebook holds, by the number of its solution. */
export interface NotebookProgram {
  readonly number: number;
  readonly code: string;
}

type Cell = { readonly cell_type: 'markdown' | 'code'; readonly text: string };

/**
 * A Jupyter notebook with the programs of the best solution. Where the task is one table without files or tables beside it, its cells train each
 * program once on all rows and write a submission; elsewhere it says how the result is run again.
 */
export function writeNotebook(
  evidence: Evidence,
  profile: TaskProfile,
  given: { taskJson: string; programs: readonly NotebookProgram[] },
): string {
  const cells: Cell[] = [markdown(introduce(evidence)), markdown(describeSame(evidence))];
  const weights = listWeights(evidence, given.programs);
  for (const { number, code } of given.programs) cells.push(codeCell(`%%writefile solution-${number}.py\n${code}`));
  const obstacle = findObstacle(evidence, profile);
  if (obstacle === null) {
    cells.push(
      markdown(
        '## Train on all rows and answer\n\nEach program is trained once, on every labelled row. The file of the job also averages what its folds answered, so the numbers differ a little.',
      ),
    );
    cells.push(codeCell(prepareData(profile, given.taskJson)), codeCell(runPrograms(evidence, weights)), codeCell(writeAnswer(profile)));
  } else {
    cells.push(markdown(`These cells only hold the programs: ${obstacle}. Use the command above to run them as they were run.`));
  }
  return `${JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: METADATA, cells: cells.map(toJson) }, null, 1)}\n`;
}

const METADATA = {
  kernelspec: { display_name: 'Python 3', language: 'python', name: 'python3' },
  language_info: { name: 'python' },
};

function toJson({ cell_type: type, text }: Cell, index: number): object {
  const common = { cell_type: type, id: `cell-${index}`, metadata: {}, source: text.split(/(?<=\n)/) };
  return type === 'code' ? { ...common, execution_count: null, outputs: [] } : common;
}

function markdown(text: string): Cell {
  return { cell_type: 'markdown', text };
}

function codeCell(text: string): Cell {
  return { cell_type: 'code', text };
}

/** Words of strangers (titles) lie in code spans, where they are no markup. */
function quote(text: string): string {
  return `\`${text.replaceAll(/[`\n\r]/g, ' ')}\``;
}

function introduce({ job, metric, best, expected, versions }: Evidence): string {
  const score = best?.score ? `${show(best.score.score)} (95 % ${show(best.score.low)} to ${show(best.score.high)})` : 'none';
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `# ${quote(job.title || job.competition)}`,
    '',
    `- Best solution: ${quote(best?.title ?? 'none')}`,
    `- Cross-validation, ${metric.id}: ${score}`,
    ...(expected === null
      ? []
      : [`- Expected on the leaderboard: ${show(expected.score)} (95 % ${show(expected.low)} to ${show(expected.high)})`]),
    `- Trust: ${best?.trust?.verdict ?? 'not judged'}`,
    `- Made with ${packages.join(', ')}`,
  ].join('\n');
}

function describeSame({ job }: Evidence): string {
  return `## Exactly the same, in the sandbox\n\n\`\`\`\nkn-kaggle reproduce ${job.id}\n\`\`\`\n\nIt compares score and file with those of the job.`;
}

/** Each program's share of the answer: the blend's weights, or all of the only one. */
function listWeights({ best }: Evidence, programs: readonly NotebookProgram[]): { number: number; weight: number }[] {
  if (best?.kind !== 'blend') return programs.slice(0, 1).map(({ number }) => ({ number, weight: 1 }));
  return best.weights.map(({ solution, weight }) => ({ number: solution, weight }));
}

function findObstacle({ best }: Evidence, profile: TaskProfile): string | null {
  const { form } = profile.submission;
  if (best?.kind === 'stack') return 'a stack learns from the other programs’ answers of every fold';
  if (profile.recommender !== null || profile.tables.length > 0) return 'the task has further tables, which the harness cuts';
  if (profile.media_columns.length > 0) return 'the rows name files, which the harness gives out';
  if (profile.given_columns.length > 0) return 'columns are shown as the test shows them, which the harness does';
  if (profile.weight_column !== null || profile.query_column !== null) return 'the metric needs weights or queries of the rows';
  return ['value', 'probability', 'class_columns', 'label', 'quantiles'].includes(form) ? null : `the submission has the form "${form}"`;
}

/** A Python literal of a text. JSON's strings are Python's, too. */
function literal(value: unknown): string {
  return JSON.stringify(value);
}

function prepareData(profile: TaskProfile, taskJson: string): string {
  const nameOf = (role: 'train' | 'test') => profile.files.find((file) => file.role === role)?.name ?? `${role}.csv`;
  const { separator, decimal } = profile.submission;
  return `import json, subprocess, sys
from pathlib import Path
import numpy as np
import pandas as pd

DATA, WORK = Path("."), Path("notebook-work")  # DATA: the folder with the competition's files
TASK = json.loads(${literal(taskJson)})

def read(name):
    return pd.read_csv(DATA / name, dtype=str, keep_default_na=False, na_values=["", "NA", "N/A", "NaN", "nan", "NULL", "null"], sep=${literal(separator)})

def typed(table, columns):
    made = {}
    for name in columns:
        kind = TASK["column_types"].get(name)
        if kind == "numeric":
            made[name] = pd.to_numeric(table[name]${decimal === ',' ? '.str.replace(",", ".")' : ''}, errors="coerce")
        elif kind == "boolean":
            made[name] = table[name].str.lower().map({"true": True, "false": False})
        else:
            made[name] = table[name]
    return pd.DataFrame(made)

train, test = read(${literal(nameOf('train'))}), read(${literal(nameOf('test'))})
features = [name for name in TASK["column_types"] if name in train.columns and name in test.columns]
labels = pd.DataFrame(index=train.index)
for target in TASK["targets"]:
    columns = [target["duration_column"], target["event_column"]] if target["type"] == "survival" else [target["name"]]
    for name in columns:
        labels[name] = train[name] if target["classes"] is not None else pd.to_numeric(train[name], errors="coerce")
known = labels.notna().all(axis=1)
learn = pd.concat([typed(train, features), labels], axis=1)[known].reset_index(drop=True)
learn.insert(0, TASK["key_column"], np.arange(len(learn)))
rows = typed(test, features)
rows.insert(0, TASK["key_column"], np.arange(len(rows)))
for place, name, table in (("train", "train", learn), ("predict", "rows", rows)):
    (WORK / place).mkdir(parents=True, exist_ok=True)
    table.to_parquet(WORK / place / f"{name}.parquet")
    table.to_csv(WORK / place / f"{name}.csv", index=False)
(WORK / "train" / "task.json").write_text(json.dumps(TASK))
rows[[TASK["key_column"]]].assign(**{c["name"]: 0.0 for c in TASK["score_columns"]}).to_csv(WORK / "predict" / "sample.csv", index=False)
print(len(learn), "rows to learn from,", len(rows), "to answer")`;
}

function runPrograms({ reproduction }: Evidence, weights: readonly { number: number; weight: number }[]): string {
  const parts = weights.map(({ number, weight }) => {
    const params = reproduction?.programs.find((program) => program.number === number)?.params ?? {};
    return `    (${number}, ${weight}, ${literal(JSON.stringify(params))}),`;
  });
  const { seed = 0, threads = 1 } = reproduction ?? {};
  return `PROGRAMS = [  # number, weight, parameters
${parts.join('\n')}
]
scores = 0.0
for number, weight, params in PROGRAMS:
    out = WORK / f"out-{number}"
    out.mkdir(exist_ok=True)
    (WORK / "params.json").write_text(params)
    folders = ["--train", WORK / "train", "--predict", WORK / "predict", "--out", out, "--params", WORK / "params.json"]
    command = [sys.executable, f"solution-{number}.py", *map(str, folders), "--seed", "${seed}", "--threads", "${threads}", "--deadline", "3600"]
    subprocess.run(command, check=True)
    answered = pd.read_csv(out / "scores.csv").sort_values(TASK["key_column"])
    scores = scores + weight * answered[[c["name"] for c in TASK["score_columns"]]].to_numpy()
scores = pd.DataFrame(scores, columns=[c["name"] for c in TASK["score_columns"]])
scores.describe()`;
}

function writeAnswer({ submission, targets }: TaskProfile): string {
  const { id_columns: ids, target_columns: columns, form, separator, file_name: file } = submission;
  const name = literal(`notebook-${(file ?? 'submission.csv').replace(/\.(gz|zip)$/, '')}`);
  const answers =
    form === 'label'
      ? `for column, target in zip(${literal(columns)}, TASK["targets"]):
    own = [c for c in TASK["score_columns"] if c["target"] == target["name"]]
    table = scores[[c["name"] for c in own]].to_numpy()
    # The job's file has thresholds that were chosen on its folds; these are the plain ones.
    codes = (table[:, 0] > 0.5).astype(int) if table.shape[1] == 1 else table.argmax(axis=1)
    answer[column] = scores[own[0]["name"]] if target["classes"] is None else np.array(target["classes"])[codes]`
      : form === 'class_columns'
        ? `for column, label in ${literal(Object.entries(mapClasses(columns, targets)))}:
    # Of two classes one score column is the second one's.
    own = [c["name"] for c in TASK["score_columns"] if c["class"] == label]
    answer[column] = scores[own[0]] if own else 1 - scores.iloc[:, 0]`
        : `for column, name in zip(${literal(columns)}, scores.columns):
    answer[column] = scores[name]`;
  return `ids = ${literal(ids)}
if not all(name in test.columns for name in ids):
    raise ValueError("The submission's ids are no columns of the test file, so nothing says which row is which: run the job again with kn-kaggle reproduce.")
answer = test[ids].copy()
${answers}
answer.to_csv(${name}, index=False, sep=${literal(separator)})
answer.head()`;
}

/** Submission column → class label: in the order of both. */
function mapClasses(columns: readonly string[], targets: TaskProfile['targets']): Record<string, string> {
  const classes = targets[0]?.classes ?? [];
  return Object.fromEntries(columns.map((column, index) => [column, classes[index] ?? column]));
}
