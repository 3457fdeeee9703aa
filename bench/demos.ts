import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { SolutionReport, SubmissionName } from '#core/report.ts';
import { ANSWERS_DIR, EXAMPLES_DIR } from '#local/bundled.ts';
import { PROJECT_DIR } from '#local/config.ts';
import { loadCompetitions, type ServedCompetition } from '#local/kaggle/competitions.ts';

const USAGE = `npm run bench:demos -- [SLUG …] [--time-limit SECONDS]: every demo competition solved by the recipes alone, one after the other:
what the checks said of each solution, and what the hidden answers say. Those in examples/built (examples/README.md) are taken too.`;
const BUILT_DIR = join(EXAMPLES_DIR, 'built');

const Evidence = z.object({
  task: z.object({ shape: z.string() }),
  metric: z.object({ id: z.string(), direction: z.enum(['maximize', 'minimize']), proxy: z.boolean() }),
  expected: z.object({ score: z.number(), low: z.number(), high: z.number() }).nullable(),
  solutions: z.array(SolutionReport),
  totalSeconds: z.number(),
});
type Evidence = z.infer<typeof Evidence>;

/** One competition, solved: what the agent says and what the hidden answers say. */
interface Outcome {
  readonly evidence: Evidence;
  /** On the private part of the hidden answers; null where nothing is scored. */
  readonly score: number | null;
  /** The same of the sample submission; null without one. */
  readonly sampleScore: number | null;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean' }, 'time-limit': { type: 'string', default: '60' } },
  });
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const chosen = await chooseCompetitions(positionals);
  const rows: string[][] = [];
  let alarms = 0;
  for (const { competition, dir } of chosen) {
    process.stderr.write(`${competition.slug} …\n`);
    const outcome = await solve(competition, dir, values['time-limit']);
    rows.push(describe(competition.slug, outcome));
    alarms += countAlarms(outcome.evidence);
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`);
  }
  const header = ['competition', 'shape', 'metric', 'solutions', 'failed', 'verified', 'suspect', 'expected', 'private', 'sample', 'time'];
  process.stdout.write(`${[header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`);
  process.stdout.write(`\n${alarms} honest solutions were not verified\n`);
  return alarms === 0 ? 0 : 1;
}

async function chooseCompetitions(slugs: readonly string[]): Promise<{ competition: ServedCompetition; dir: string }[]> {
  const isBuilt = await stat(BUILT_DIR).then(
    () => true,
    () => false,
  );
  const places = [
    { examples: EXAMPLES_DIR, answers: ANSWERS_DIR },
    ...(isBuilt ? [{ examples: BUILT_DIR, answers: join(BUILT_DIR, 'answers') }] : []),
  ];
  const known = places.flatMap(({ examples, answers }) =>
    [...loadCompetitions(examples, answers).values()].map((competition) => ({ competition, dir: join(examples, competition.slug) })),
  );
  const unknown = slugs.find((slug) => !known.some(({ competition }) => competition.slug === slug));
  if (unknown !== undefined) {
    throw new Error(`There is no demo competition ${unknown}. There are: ${known.map((one) => one.competition.slug).join(', ')}.`);
  }
  return known.filter(({ competition }) => slugs.length === 0 || slugs.includes(competition.slug));
}

async function solve(competition: ServedCompetition, dir: string, timeLimitS: string): Promise<Outcome> {
  const out = await mkdtemp(join(tmpdir(), 'kaggle-agent-demos-'));
  try {
    const args = [join(PROJECT_DIR, 'cli/main.ts'), 'solve', dir, '--no-llm', '--time-limit', timeLimitS, '--out', out, '-o', 'json'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const said: string[] = [];
    child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
    const [code] = z
      .tuple([z.int().nullable()])
      .rest(z.unknown())
      .parse(await once(child, 'close'));
    if (code !== 0) throw new Error(`${competition.slug}: solve ended with code ${code}: ${said.join('').trim().slice(-500)}`);
    const scoreOf = (bytes: Buffer) => competition.score(bytes).privateScore;
    const sample = competition.files.find(({ name }) => name === 'sample_submission.csv');
    const submission = (await readdir(out)).find((name) => SubmissionName.safeParse(name).success) ?? 'submission.csv';
    return {
      evidence: Evidence.parse(JSON.parse(await readFile(join(out, 'evidence.json'), 'utf8'))),
      score: scoreOf(await readFile(join(out, submission))),
      sampleScore: sample === undefined ? null : scoreOf(await readFile(sample.path)),
    };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

function countAlarms({ solutions }: Evidence): number {
  return solutions.filter(({ trust }) => trust != null && trust.verdict !== 'verified').length;
}

function describe(slug: string, { evidence, score, sampleScore }: Outcome): string[] {
  const { task, metric, expected, solutions, totalSeconds } = evidence;
  const count = (wanted: (solution: SolutionReport) => boolean) => String(solutions.filter(wanted).length);
  return [
    slug,
    task.shape,
    `${metric.id} ${metric.direction === 'maximize' ? 'up' : 'down'}${metric.proxy ? ' (nearest)' : ''}`,
    String(solutions.length),
    count(({ state }) => state === 'failed'),
    count(({ trust }) => trust?.verdict === 'verified'),
    count(({ trust }) => trust?.verdict === 'suspect'),
    expected === null ? '–' : `${show(expected.score)} [${show(expected.low)}, ${show(expected.high)}]`,
    show(score),
    show(sampleScore),
    `${totalSeconds.toFixed(0)} s`,
  ];
}

function show(value: number | null): string {
  return value === null ? '–' : value.toPrecision(4);
}

process.exitCode = await main();
