import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { createClaude } from '#adapters/claude/client.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { solveLocally } from '#agent/solve.ts';
import { createFolderKaggle, nameFolder } from '#agent/task/folder-kaggle.ts';
import { ANSWERS_DIR, EXAMPLES_DIR } from '#local/bundled.ts';
import { findMetric } from '#local/kaggle/scoring.ts';
import { MODELS, NOTHING, plan } from '#test/agent/claude/_explore.ts';
import { API_KEY, startClaudeServer } from '#test/claude-server/server.ts';
import type { ClaudeServer } from '#test/claude-server/server.ts';
import { PYTHON } from '#test/_support/python.ts';

const USAGE = `npm run bench:idea [-- --time-limit SECONDS --seeds N --first-seed N --details]: house prices, divided anew for each seed, by the recipes alone and with one idea of a
scripted Claude, fixed beforehand (bench/idea/program.py), beside one that is noise with a perfect claim. Scores on the rows that were held out.
--details: every solution of every run, with its weight in the blend, on stderr.`;
const SLUG = 'ames-house-prices';
const TARGET = 'Sale_Price';
const Rows = z.array(z.record(z.string(), z.string()));
type Row = z.infer<typeof Rows>[number];
const Evidence = z.object({
  best: z.object({ title: z.string(), weights: z.array(z.object({ solution: z.int(), weight: z.number() })) }),
  solutions: z.array(
    z.object({
      number: z.int(),
      seconds: z.number(),
      trust: z.object({ verdict: z.string(), reasons: z.array(z.string()) }).nullable(),
      title: z.string(),
      score: z.object({ score: z.number() }).nullable(),
      failure: z.string().nullable(),
    }),
  ),
  seconds: z.object({ train: z.number(), grade: z.number(), claude: z.number() }).catchall(z.number()),
  totalSeconds: z.number(),
});
type Evidence = z.infer<typeof Evidence>;

const NOISE = `import argparse, json
from pathlib import Path
import numpy as np
import pandas as pd
parser = argparse.ArgumentParser()
for name in ("train", "predict", "out", "params"):
    parser.add_argument("--" + name, type=Path)
args, _ = parser.parse_known_args()
task = json.loads((args.train / "task.json").read_text())
rows = pd.read_parquet(args.predict / "rows.parquet")
scores = np.random.default_rng(1).uniform(1e5, 3e5, len(rows))
(args.out / "notes.json").write_text('{"score": 0.0}')
pd.DataFrame({task["key_column"]: rows[task["key_column"]], task["score_columns"][0]["name"]: scores}).to_csv(args.out / "scores.csv", index=False)
`;

/** What came of one division of the rows. */
interface Pair {
  readonly alone: number;
  readonly withIdea: number;
  readonly best: string;
  /** What the idea scored by itself, or why it did not. */
  readonly idea: string;
  /** What was neither training, grading nor Claude, as a part of the run with the idea. */
  readonly overhead: number;
  /** A line for each solution of the run without the idea, then with it. */
  readonly details: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      'time-limit': { type: 'string', default: '240' },
      seeds: { type: 'string', default: '5' },
      'first-seed': { type: 'string', default: '1' },
      details: { type: 'boolean', default: false },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const rows = await readAllRows();
  const idea = await readFile(new URL('program.py', import.meta.url), 'utf8');
  const pairs: Pair[] = [];
  process.stdout.write(
    '| seed | recipes alone | with the idea | gain | idea alone, by folds | best solution | own time |\n| --- | --- | --- | --- | --- | --- | --- |\n',
  );
  const firstSeed = Number(values['first-seed']);
  for (let seed = firstSeed; seed < firstSeed + Number(values.seeds); seed += 1) {
    const pair = await comparePair(rows, seed, idea, Number(values['time-limit']));
    pairs.push(pair);
    if (values.details) process.stderr.write(pair.details);
    const gain = pair.alone - pair.withIdea;
    process.stdout.write(
      `| ${seed} | ${pair.alone.toFixed(4)} | ${pair.withIdea.toFixed(4)} | ${gain.toFixed(4)} | ${pair.idea} | ${pair.best} | ${(100 * pair.overhead).toFixed(1)} % |\n`,
    );
  }
  const gains = pairs.map(({ alone, withIdea }) => alone - withIdea);
  const mean = gains.reduce((sum, gain) => sum + gain, 0) / gains.length;
  const error = Math.sqrt(gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / (gains.length - 1) / gains.length);
  process.stdout.write(
    `\npaired gain ${mean.toFixed(4)} ± ${error.toFixed(4)} (${(mean / error).toFixed(1)} standard errors; goal: above 2)\n`,
  );
  const overhead = Math.max(...pairs.map((pair) => pair.overhead));
  process.stdout.write(`outside of Claude, training and grading: at most ${(100 * overhead).toFixed(1)} % (goal: 3 %)\n`);
  return mean > 2 * error && overhead <= 0.03 ? 0 : 1;
}

/** Every row of the competition with its price: the training rows, and the others with their hidden answers. */
async function readAllRows(): Promise<Row[]> {
  const read = async (path: string) => Rows.parse(parse(await readFile(path), { columns: true }));
  const [train, test, answers] = await Promise.all([
    read(join(EXAMPLES_DIR, SLUG, 'data/train.csv')),
    read(join(EXAMPLES_DIR, SLUG, 'data/test.csv')),
    read(join(ANSWERS_DIR, SLUG, 'answers.csv')),
  ]);
  const price = new Map(answers.map((row) => [row['Id'], row[TARGET] ?? '']));
  return [...train, ...test.map((row) => ({ ...row, [TARGET]: price.get(row['Id']) ?? '' }))];
}

async function comparePair(rows: readonly Row[], seed: number, idea: string, timeLimitS: number): Promise<Pair> {
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-idea-'));
  try {
    const { folder, truth } = await divide(rows, seed, dir);
    const alone = await solve(folder, join(dir, 'alone'), timeLimitS, null);
    const closing: (() => unknown)[] = [];
    const server = await startClaudeServer({
      teardown: (close) => void closing.push(close),
      fail: (message) => {
        throw new Error(message);
      },
    });
    answerWith(server, idea);
    const helped = await solve(folder, join(dir, 'helped'), timeLimitS, server.url);
    for (const close of closing) await close();
    return {
      alone: score(truth, alone.submission),
      withIdea: score(truth, helped.submission),
      best: helped.best,
      idea: helped.idea,
      overhead: helped.overhead,
      details: `recipes alone\n${alone.details}with the idea\n${helped.details}`,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Half of the rows to learn from, half to answer, by a generator of our own. */
async function divide(rows: readonly Row[], seed: number, dir: string): Promise<{ folder: string; truth: Map<string, string> }> {
  let state = seed * 7_919;
  const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const mixed = rows.map((row) => ({ row, at: random() })).toSorted((left, right) => left.at - right.at);
  const numbered = mixed.map(({ row }, index) => ({ ...row, Id: String(index + 1) }));
  const half = Math.floor(numbered.length / 2);
  const [train, test] = [numbered.slice(0, half), numbered.slice(half)];
  const folder = join(dir, SLUG);
  await mkdir(folder);
  const columns = Object.keys(numbered[0] ?? {});
  await writeFile(join(folder, 'train.csv'), writeCsv(columns, train));
  await writeFile(
    join(folder, 'test.csv'),
    writeCsv(
      columns.filter((name) => name !== TARGET),
      test,
    ),
  );
  const sample = test.map(({ Id }) => ({ Id, [TARGET]: '180000' }));
  await writeFile(join(folder, 'sample_submission.csv'), writeCsv(['Id', TARGET], sample));
  await writeFile(join(folder, 'evaluation.md'), 'Submissions are evaluated on the **Root Mean Squared Logarithmic Error (RMSLE)**.\n');
  return { folder, truth: new Map(test.map((row) => [row.Id, String(Object.entries(row).find(([name]) => name === TARGET)?.[1] ?? '')])) };
}

function writeCsv(columns: readonly string[], rows: readonly Row[]): string {
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return `${[columns, ...rows.map((row) => columns.map((name) => row[name] ?? ''))].map((cells) => cells.map(cell).join(',')).join('\n')}\n`;
}

function answerWith(server: ClaudeServer, idea: string): void {
  const program = (title: string, code: string) => ({ answer: { kind: 'program', title, hypothesis: 'it helps', family: title, code } });
  server.answerRest((_, user) => {
    if (['reviewer', 'librarian'].some((role) => user.includes(`You are the ${role}`))) return { kind: 'json', value: NOTHING };
    const isPlanned = user.includes('meaning') && user.includes('noise');
    if (user.includes('You are the planner')) return { kind: 'json', value: isPlanned ? NOTHING : plan('draft', 'noise', 'meaning') };
    return { kind: 'json', value: user.includes('\nnoise\n') ? program('noise', NOISE) : program('meaning', idea) };
  });
}

async function solve(
  folder: string,
  storeDir: string,
  timeLimitS: number,
  url: string | null,
): Promise<{ submission: Map<string, string>; best: string; idea: string; overhead: number; details: string }> {
  const store = createDirectoryStore({ root: storeDir, durable: false });
  const { manifest, error } = await solveLocally({
    slug: nameFolder(folder),
    kaggle: createFolderKaggle(folder),
    store,
    clock: systemClock,
    python: PYTHON,
    timeLimitS,
    cpuMillis: 2000,
    memoryMib: 4096,
    submitToKaggle: false,
    llm: url === null ? null : { model: { client: createClaude({ apiKey: API_KEY, baseUrl: url }), table: MODELS }, budgetUsd: 2 },
    signal: new AbortController().signal,
    onLine: () => undefined,
    onProgress: () => undefined,
  });
  if (manifest === null) throw new Error(`the run ended without a result: ${error?.message}`);
  const readFileOf = async (name: string) => {
    const key = manifest.files.find((file) => file.name === name)?.key ?? '';
    return Buffer.from((await store.readObject(key, 2 ** 26)) ?? '').toString('utf8');
  };
  const { best, solutions, seconds, totalSeconds } = Evidence.parse(JSON.parse(await readFileOf('evidence.json')));
  const overhead = 1 - (seconds.train + seconds.grade + seconds.claude) / totalSeconds;
  const rows = Rows.parse(parse(await readFileOf('submission.csv'), { columns: true }));
  return {
    submission: new Map(rows.map((row) => [row['Id'] ?? '', row[TARGET] ?? ''])),
    best: best.title,
    idea: describeIdea(solutions),
    details: describeSolutions(best, solutions),
    overhead,
  };
}

function describeSolutions({ weights, title: best }: Evidence['best'], solutions: Evidence['solutions']): string {
  const lines = solutions.map(({ number, title, score: scored, seconds, trust, failure }) => {
    const weight = weights.find(({ solution }) => solution === number)?.weight;
    const what = scored?.score.toFixed(4) ?? failure ?? 'no score';
    const doubt = trust === null || trust.verdict === 'verified' ? '' : `, ${trust.verdict}: ${trust.reasons.join('; ')}`;
    return `  ${number} ${title}: ${what}, ${seconds.toFixed(1)} s${weight === undefined ? '' : `, weight ${weight.toFixed(2)}`}${title === best ? ', best' : ''}${doubt}\n`;
  });
  return lines.join('');
}

function describeIdea(solutions: Evidence['solutions']): string {
  const idea = solutions.findLast(({ title }) => title === 'meaning');
  return idea?.score?.score.toFixed(4) ?? idea?.failure?.slice(0, 120) ?? 'not tried';
}

function score(truth: ReadonlyMap<string, string>, submission: ReadonlyMap<string, string>): number {
  const ids = [...truth.keys()];
  return findMetric('rmsle').score({
    truth: ids.map((id) => [truth.get(id) ?? '']),
    submitted: ids.map((id) => [submission.get(id) ?? '']),
    columns: [TARGET],
  });
}

process.exitCode = await main();
