import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import type { Kaggle } from '#core/kaggle.ts';
import { KaggleError } from '#core/kaggle.ts';
import { hashFolder } from '#agent/task/data.ts';
import { compareRuns, Reproducible } from '#agent/report/reproduction.ts';
import type { Comparison, Nearness, Reproduction } from '#agent/report/reproduction.ts';
import { ALL_MODALITIES, ALL_TARGET_TYPES, loadRecipes } from '#agent/search/recipes.ts';
import type { Recipe } from '#agent/search/recipes.ts';
import { solveLocally } from '#agent/solve.ts';
import { PROJECT_DIR } from '#local/config.ts';
import type { CommandContext, OutputFlag } from '../context.ts';
import { CliError, EXIT_CODES } from '../exit-codes.ts';
import { findSource } from '../find-source.ts';
import { formatScore, formatTable, ProgressLine, stripControls } from '../output.ts';

interface ReproduceFlags extends OutputFlag {
  readonly data?: string;
  readonly timeLimit?: number;
}

/** Reads a result file of the run that is done once more. */
type ReadResult = (name: string) => Promise<Buffer>;

const MOST_FILE_BYTES = 64 * 2 ** 20;
const MORE_TIME = 3;
const SAID: Readonly<Record<Nearness, string>> = {
  identical: 'identical: the same file, the same score in every fold',
  equal: 'equal: the score is the same within 1e-6',
  close: 'close: the score is the same within a tenth of its noise',
  different: 'different',
};

/** `reproduce`: runs the programs of a job's best solution once more, in the sandbox and on the same files, and compares. Exit 1 when it differs. */
export async function reproduceCommand(context: CommandContext, target: string, flags: ReproduceFlags): Promise<number> {
  const readResult = await openResult(context, target);
  const first = readEvidence(await readResult('evidence.json'), target);
  if (first.reproduction === null) {
    throw new CliError(
      'The best solution is the constant baseline, or its program was not kept: there is nothing to run.',
      EXIT_CODES.failed,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'kaggle-agent-reproduce-'));
  try {
    const recipes = await placePrograms(readResult, first.reproduction, folder);
    const second = await runAgain(context, { first, reproduction: first.reproduction, recipes, folder, flags });
    return report(context, first, second, compareRuns(first, second), flags);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A folder that `solve` filled, else a job of the service. */
async function openResult(context: CommandContext, target: string): Promise<ReadResult> {
  const isFolder = await stat(target).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (isFolder) {
    return async (name) =>
      readFile(join(target, name)).catch((error: unknown) => {
        throw new CliError(
          `${join(target, name)} cannot be read. Give the folder that "solve" wrote, or a job id.`,
          EXIT_CODES.usage,
          error,
        );
      });
  }
  return async (name) => {
    const bytes = await buffer(Readable.fromWeb(await context.client.openFile(target, name)));
    if (bytes.length > MOST_FILE_BYTES) throw new CliError(`${name} is too large.`, EXIT_CODES.failed);
    return bytes;
  };
}

function readEvidence(bytes: Buffer, target: string): Reproducible {
  const parsed = Reproducible.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  throw new CliError(
    `The evidence of ${target} does not say what ran, so it cannot be run again. Was it made by an older version?`,
    EXIT_CODES.failed,
  );
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

/** The programs as recipes, each with the number that it had. One that is none of ours runs only where the sandbox holds. */
async function placePrograms(readResult: ReadResult, reproduction: Reproduction, folder: string): Promise<Recipe[]> {
  const builtIn = new Set((await loadRecipes()).map(({ sha256 }) => sha256));
  const recipes: Recipe[] = [];
  for (const { number, title, kind, file, sha256, recipe, params } of reproduction.programs) {
    const bytes = await readResult(file);
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
      throw new CliError(`${file} is not the program that was scored: its hash is another one.`, EXIT_CODES.failed);
    }
    const program = join(folder, `solution-${number}.py`);
    await writeFile(program, bytes);
    recipes.push({
      origin: builtIn.has(sha256) ? 'built-in' : 'generated',
      name: recipe,
      title,
      kind: kind === 'stack' ? 'stack' : 'rows',
      program,
      sha256,
      params,
      costRank: number,
      targetTypes: ALL_TARGET_TYPES,
      modalities: ALL_MODALITIES,
      maxTrainRows: Infinity,
      number,
    });
  }
  return recipes;
}

async function runAgain(
  context: CommandContext,
  given: {
    readonly first: Reproducible;
    readonly reproduction: Reproduction;
    readonly recipes: readonly Recipe[];
    readonly folder: string;
    readonly flags: ReproduceFlags;
  },
): Promise<Reproducible> {
  const { first, reproduction, recipes, folder, flags } = given;
  const source = await findSource(flags.data ?? first.job.competition, context.env);
  const store = createDirectoryStore({ root: join(folder, 'store'), durable: false });
  const line = new ProgressLine(context.console);
  const result = await solveLocally({
    slug: first.job.competition,
    kaggle: withSameData(source.kaggle, first, context.signal),
    store,
    clock: systemClock,
    python: resolve(context.env['KAGGLE_AGENT_PYTHON'] ?? join(PROJECT_DIR, '.venv/bin/python')),
    // Programs look at the time that is left, and some would not fit on a busier machine: it gets more than it needs.
    timeLimitS: flags.timeLimit ?? MORE_TIME * reproduction.timeLimitS,
    cpuMillis: reproduction.threads * 1000,
    memoryMib: reproduction.memoryMib,
    // It would be chosen by the time limit.
    foldCount: first.folds.count,
    foldsAtOnce: reproduction.foldsAtOnce,
    submitToKaggle: false,
    seed: reproduction.seed,
    task: reproduction.overrides,
    recipes,
    signal: context.signal,
    onLine: () => undefined,
    onProgress: (progress) => line.showProgress(progress),
  }).finally(() => line.close());
  const evidence = result.manifest?.files.find(({ name }) => name === 'evidence.json');
  if (evidence === undefined) {
    const message = result.error?.message ?? `the agent ended with exit code ${result.exitCode}`;
    throw new CliError(message, context.signal.aborted ? EXIT_CODES.interrupted : EXIT_CODES.jobFailed);
  }
  const bytes = await store.readObject(evidence.key, MOST_FILE_BYTES);
  return readEvidence(Buffer.from(bytes ?? ''), 'the second run');
}

/** The same Kaggle; where its files are not those of the first run it refuses them: on others nothing can be reproduced. */
function withSameData(kaggle: Kaggle, first: Reproducible, signal: AbortSignal): Kaggle {
  return {
    ...kaggle,
    unpack: async (archivePath, dir, options) => {
      const files = await kaggle.unpack(archivePath, dir, options);
      const now = new Map((await hashFolder(dir, signal)).map(({ name, sha256 }) => [name, sha256]));
      const other = first.data.find(({ name, sha256 }) => now.get(name) !== sha256);
      if (other === undefined && first.data.length === now.size) return files;
      const which = other === undefined ? 'there are further ones' : `${stripControls(other.name)} is another one`;
      throw new KaggleError('refused', `The competition's files are not those of the job: ${which}. Name the right folder with --data.`);
    },
  };
}

function report(context: CommandContext, first: Reproducible, second: Reproducible, compared: Comparison, flags: ReproduceFlags): number {
  const { nearness, differences } = compared;
  const sides = [first, second].map(({ best, submission }) => ({ score: best.score?.score ?? null, sha256: submission.sha256 }));
  if (flags.output === 'json') {
    context.console.out(`${JSON.stringify({ nearness, metric: first.metric.id, first: sides[0], second: sides[1], differences })}\n`);
  } else if (flags.output === 'name') {
    context.console.out(`${nearness}\n`);
  } else {
    const rows = [first, second].map(({ best, submission }, index) => [
      index === 0 ? 'then' : 'now',
      best.score === null ? '-' : formatScore(best.score.score),
      stripControls(best.title),
      submission.sha256.slice(0, 16),
    ]);
    context.console.out(formatTable(['RUN', first.metric.id.toUpperCase(), 'SOLUTION', 'SUBMISSION'], rows));
    context.console.out(`${SAID[nearness]}\n${differences.map((line) => `- ${stripControls(line)}\n`).join('')}`);
  }
  return nearness === 'different' ? EXIT_CODES.failed : EXIT_CODES.ok;
}
