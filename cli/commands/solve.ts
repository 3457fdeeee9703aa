import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, totalmem, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { solveLocally } from '#agent/solve.ts';
import type { SolveOptions } from '#agent/solve.ts';
import { readModels } from '#agent/budget/read-models.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import type { ArtifactStore } from '#core/ports.ts';
import type { Manifest } from '#core/report.ts';
import { readClaudeKey } from '#local/claude-key.ts';
import { PROJECT_DIR } from '#local/config.ts';
import type { CommandContext, OutputFlag } from '../context.ts';
import { CliError, EXIT_CODES } from '../exit-codes.ts';
import { ProgressLine, formatScore } from '../output.ts';
import { findSource } from '../find-source.ts';
import { describeSolved, SolvedEvidence } from '../solution-table.ts';
import type { TaskFlags } from '../task-options.ts';

interface SolveFlags extends OutputFlag, TaskFlags {
  readonly out: string;
  readonly timeLimit: number;
  readonly time?: number;
  readonly json?: boolean;
  readonly threads?: number;
  readonly budgetUsd: number;
  readonly llm: boolean;
  readonly hint?: string;
}

/** `solve`: the agent alone, on a folder of files, a bundled competition or Kaggle itself; its files land in one folder. */
export async function solveCommand(context: CommandContext, competition: string, given: SolveFlags): Promise<number> {
  const flags = { ...given, timeLimit: given.time ?? given.timeLimit, output: given.json === true ? ('json' as const) : given.output };
  const source = await findSource(competition, context.env);
  const folder = resolve(flags.out);
  const storeDir = await mkdtemp(join(tmpdir(), 'kaggle-agent-solve-'));
  const store = createDirectoryStore({ root: storeDir, durable: false });
  const line = new ProgressLine(context.console);
  try {
    const result = await solveLocally({
      slug: source.slug,
      kaggle: source.kaggle,
      store,
      clock: systemClock,
      python: resolve(context.env['KAGGLE_AGENT_PYTHON'] ?? join(PROJECT_DIR, '.venv/bin/python')),
      timeLimitS: flags.timeLimit,
      cpuMillis: (flags.threads ?? availableParallelism()) * 1000,
      memoryMib: Math.floor(totalmem() / 2 ** 21),
      submitToKaggle: false,
      hint: flags.hint ?? null,
      llm: await openLlm(context, flags),
      task: {
        shape: flags.shape ?? null,
        groupColumn: flags.groupColumn ?? null,
        timeColumn: flags.timeColumn ?? null,
        oneRowAtATime: flags.oneRowAtATime ?? null,
        allowDataLeaks: flags.allowDataLeaks ?? false,
      },
      signal: context.signal,
      onLine: () => undefined,
      onProgress: (progress) => line.showProgress(progress),
    });
    line.close();
    if (result.manifest === null) {
      const message = result.error?.message ?? `the agent ended with exit code ${result.exitCode}`;
      throw new CliError(message, context.signal.aborted ? EXIT_CODES.interrupted : EXIT_CODES.jobFailed);
    }
    const paths = await copyOut(storeDir, store, result.manifest, folder);
    await report(context, result.manifest, { paths, folder }, flags);
    return EXIT_CODES.ok;
  } finally {
    line.close();
    await rm(storeDir, { recursive: true, force: true });
  }
}

/** Claude, where there is a key and nobody said no. Its SDK is loaded only then. */
async function openLlm(context: CommandContext, flags: SolveFlags): Promise<SolveOptions['llm']> {
  const { env } = context;
  const apiKey = flags.llm ? await readClaudeKey(env) : null;
  if (apiKey === null || flags.budgetUsd <= 0) return null;
  const { createClaude } = await import('#adapters/claude/client.ts');
  const baseUrl = env['KAGGLE_AGENT_CLAUDE_API_BASE'];
  context.console.progress(`Claude may write programs for at most $${flags.budgetUsd} (--no-llm: recipes only)\n`);
  const client = createClaude(baseUrl === undefined ? { apiKey } : { apiKey, baseUrl });
  return { model: { client, table: readModels(env['KAGGLE_AGENT_MODELS_FILE']) }, budgetUsd: flags.budgetUsd };
}

/** Copies what a manifest names from the agent's storage into a folder; returns the paths. Throws CliError when a file is missing. */
export async function copyOut(storeDir: string, store: ArtifactStore, manifest: Manifest, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const part = join(storeDir, 'copy.part');
  const paths: string[] = [];
  for (const file of manifest.files) {
    const opened = await store.openObject(file.key);
    if (opened === null) throw new CliError(`${file.name} is missing in the agent's storage.`, EXIT_CODES.failed);
    await writeFile(part, opened.stream);
    await copyFile(part, join(folder, file.name));
    paths.push(join(folder, file.name));
  }
  return paths;
}

async function report(
  context: CommandContext,
  manifest: Manifest,
  { paths, folder }: { readonly paths: readonly string[]; readonly folder: string },
  flags: SolveFlags,
): Promise<void> {
  if (flags.output === 'json') {
    const { cv, metric, direction, expected, quality, trust, solutions, firstValidSeconds, seconds, notes } = manifest;
    context.console.out(
      `${JSON.stringify({ metric, direction, cv, expected, quality, trust, solutions, first_valid_seconds: firstValidSeconds, seconds, notes, files: paths })}\n`,
    );
    return;
  }
  if (flags.output === 'table') {
    const { cv } = manifest;
    if (cv !== null)
      context.console.progress(`${manifest.metric} ${formatScore(cv.score)}  95 % [${formatScore(cv.low)}, ${formatScore(cv.high)}]\n`);
    const evidence = SolvedEvidence.safeParse(JSON.parse(await readFile(join(folder, 'evidence.json'), 'utf8')));
    if (evidence.success) context.console.progress(describeSolved(evidence.data));
    for (const note of manifest.notes) context.console.progress(`note: ${note}\n`);
  }
  context.console.out(paths.map((path) => `${path}\n`).join(''));
}
