import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { createFolderKaggle, nameFolder } from '#agent/task/folder-kaggle.ts';
import { solveLocally } from '#agent/solve.ts';
import { createClaude } from '#adapters/claude/client.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { API_KEY } from '#test/claude-server/server.ts';
import { PYTHON } from '#test/_support/python.ts';
import { makeStore, readResultFile } from '#test/_support/agent-store.ts';
import { MODELS, NOTHING, plan, startServer } from './_explore.ts';

/** The target is a wave of the product of two columns: what no recipe can see in few rows. */
function makeRows(count: number, firstId: number, labelled: boolean): string {
  let state = firstId + 77;
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
  const rows = Array.from({ length: count }, (_, index) => {
    const [a, b] = [random() * 6, random() * 6];
    const y = 10 * Math.sin(2 * a * b) + random() * 0.5;
    return [firstId + index, a.toFixed(4), b.toFixed(4), ...(labelled ? [y.toFixed(4)] : [])].join(',');
  });
  return `${['Id', 'a', 'b', ...(labelled ? ['price'] : [])].join(',')}\n${rows.join('\n')}\n`;
}

const HEAD = `import argparse, json
from pathlib import Path
import numpy as np
import pandas as pd
parser = argparse.ArgumentParser()
for name in ("train", "predict", "out", "params"):
    parser.add_argument("--" + name, type=Path)
parser.add_argument("--seed", type=int); parser.add_argument("--threads", type=int); parser.add_argument("--deadline", type=float)
args = parser.parse_args()
task = json.loads((args.train / "task.json").read_text())
train = pd.read_parquet(args.train / "train.parquet")
rows = pd.read_parquet(args.predict / "rows.parquet")
`;
const TAIL = `answer = pd.DataFrame({task["key_column"]: rows[task["key_column"]]})
answer[task["score_columns"][0]["name"]] = scores
answer.to_csv(args.out / "scores.csv", index=False)
`;
const WAVE = `${HEAD}BLOCKS = ("wave", "sum")
off = json.loads(args.params.read_text()).get("off", [])
def features(frame):
    columns = [np.ones(len(frame))]
    if "wave" not in off:
        columns += [np.sin(2 * frame["a"] * frame["b"]), np.cos(2 * frame["a"] * frame["b"])]
    if "sum" not in off:
        columns.append(frame["a"] + frame["b"])
    return np.column_stack(columns)
weights, *_ = np.linalg.lstsq(features(train), train["price"].to_numpy(), rcond=None)
scores = features(rows) @ weights
${TAIL}`;
/** A bad idea: noise, with a claim to be perfect. */
const NOISE = `${HEAD}scores = np.random.default_rng(args.seed).normal(size=len(rows))
(args.out / "notes.json").write_text(json.dumps({"score": 0.0}))
print("score: 0.0 (perfect)")
${TAIL}`;

test('real programs: an idea that truly helps becomes the best, a bad one never, and a broken one is mended', async (t) => {
  t.timeout(240_000);
  const { dir, store } = await makeStore(t);
  const folder = join(dir, 'toy-waves');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'train.csv'), makeRows(240, 1, true));
  await writeFile(join(folder, 'test.csv'), makeRows(60, 1001, false));
  await writeFile(join(folder, 'sample_submission.csv'), `Id,price\n${Array.from({ length: 60 }, (_, i) => `${1001 + i},0`).join('\n')}\n`);
  await writeFile(join(folder, 'evaluation.md'), '# Evaluation\nSubmissions are evaluated on the **mean absolute error**.\n');
  const program = (title: string, code: string) => ({ answer: { kind: 'program', title, hypothesis: 'h', family: title, code } });
  const server = await startServer(t, [
    { contains: ['You are the planner'], answer: { kind: 'json', value: plan('draft', 'noise', 'waves') } },
    { contains: ['Write a new program', 'noise'], answer: { kind: 'json', value: program('Noise', NOISE) } },
    {
      contains: ['Write a new program', 'waves'],
      answer: { kind: 'json', value: program('Waves', WAVE.replace('(2 * frame["a"] * frame["b"])', '(2 * frame["a"] * frame["c"])')) },
    },
    {
      contains: ['You are the debugger', "KeyError: 'c'"],
      answer: {
        kind: 'json',
        value: { answer: { kind: 'patch', title: 'Waves', hypothesis: 'h', edits: [{ find: '* frame["c"]', replace: '* frame["b"]' }] } },
      },
    },
    { contains: ['You are the planner'], answer: { kind: 'json', value: plan('ablate', 'what pays') } },
    { contains: ['You read what blocks', '"wave": worth 6.', '"sum": worth '], answer: { kind: 'json', value: NOTHING } },
    { contains: ['You are the planner'], answer: { kind: 'json', value: NOTHING }, times: 2 },
  ]);
  const { exitCode, jobId, manifest } = await solveLocally({
    slug: nameFolder(folder),
    kaggle: createFolderKaggle(folder),
    store,
    clock: systemClock,
    python: PYTHON,
    timeLimitS: 150,
    cpuMillis: 2000,
    memoryMib: 2048,
    submitToKaggle: false,
    // The script is in the order of one.
    workers: 1,
    llm: { model: { client: createClaude({ apiKey: API_KEY, baseUrl: server.url }), table: MODELS }, budgetUsd: 2 },
    signal: new AbortController().signal,
    onLine: () => undefined,
    onProgress: () => undefined,
  });
  t.is(exitCode, 0);
  if (manifest === null) return t.fail();
  t.true((manifest.cv?.score ?? 9) < 0.5, `${manifest.cv?.score}: the recipes alone are above 3`);
  // A program of Claude's that is so much better than all others is for a person to look at.
  t.is(manifest.trust?.verdict, 'unverified');
  t.regex(manifest.trust?.reasons.join('; ') ?? '', /^what is left to a perfect score is 0\.1\d+; the best other model leaves/);
  const evidence = JSON.parse(await readResultFile(store, { jobId, attempt: 1 }, 'evidence.json')) as {
    solutions: { number: number; kind: string; title: string; score: { score: number } | null }[];
  };
  const score = (title: string) => evidence.solutions.filter((each) => each.title === title).at(-1)?.score?.score ?? Number.NaN;
  t.true(score('Noise') > 5);
  t.true(score('Waves') < 0.5);
  const recipes = evidence.solutions.flatMap((each) => (each.kind === 'recipe' && each.score !== null ? [each.score.score] : []));
  t.true(recipes.length > 0 && Math.min(...recipes) > 3);
  const said = server.requests.map(({ bytes }) => bytes).join('\n');
  t.true(said.includes('a: numeric') && said.includes('mean absolute error') && said.includes('scikit-learn'));
  t.false(said.includes(dir) || said.includes(API_KEY), 'no path of this machine and no key is sent');
});
