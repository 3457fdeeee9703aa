import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactStore, Clock } from '#core/ports.ts';
import type { JobError, Progress, TaskOverrides } from '#core/job.ts';
import type { Kaggle } from '#core/kaggle.ts';
import type { Manifest } from '#core/report.ts';
import type { RunContext } from './context.ts';
import { AgentEvent } from '#core/report.ts';
import { competitionUrl } from '#core/kaggle.ts';
import { openProcessSandbox } from './sandbox/process-sandbox.ts';
import type { Recipe } from './search/recipes.ts';
import { loadRecipes } from './search/recipes.ts';
import { removeFolder } from './remove-folder.ts';
import { runAgent } from './run.ts';
import { startHarness } from './evaluate/harness-client.ts';
import { wrapWrites } from './storing.ts';

const FOLDS_AT_ONCE = 2;
const WORKERS = 2;

/** What to solve, and where. `store` gets everything that a job leaves; `kaggle` may be a folder (`createFolderKaggle`). */
export interface SolveOptions {
  readonly slug: string;
  readonly kaggle: Kaggle;
  readonly store: ArtifactStore;
  readonly clock: Clock;
  /** Absolute path of the product's Python. */
  readonly python: string;
  readonly timeLimitS: number;
  readonly cpuMillis: number;
  readonly memoryMib: number;
  readonly submitToKaggle: boolean;
  readonly task?: TaskOverrides | null;
  readonly seed?: number;
  readonly hint?: string | null;
  /** Whom to ask for ideas and programs, and the most dollars for it; absent = built-in recipes only. */
  readonly llm?: { readonly model: NonNullable<RunContext['model']>; readonly budgetUsd: number } | null;
  /** What is tried; absent = the built-in recipes. */
  readonly recipes?: readonly Recipe[];
  /** How many folds are cut; absent = as the task and the time limit have it. */
  readonly foldCount?: number;
  /** How many folds run at a time, at most. */
  readonly foldsAtOnce?: number;
  /** How many ideas Claude works on at a time; absent = two. */
  readonly workers?: number;
  /** Downloaded data is kept here between calls; null = a temporary folder. */
  readonly cacheDir?: string | null;
  readonly signal: AbortSignal;
  /** Each line of the log. */
  readonly onLine: (line: string) => void;
  /** Each change of the progress, as the job's events say it. */
  readonly onProgress: (progress: Progress) => void;
}

/** How it ended: a manifest on exit code 0, else the error for people. Files are in the store under the manifest's keys. */
export interface SolveResult {
  readonly exitCode: number;
  readonly jobId: string;
  readonly manifest: Manifest | null;
  readonly error: JobError | null;
}

/** Solves one competition with the agent alone: the same run as a job's attempt, without a control plane. Never throws for bad input. */
export async function solveLocally(options: SolveOptions): Promise<SolveResult> {
  const { slug, store, python } = options;
  const jobId = randomUUID();
  const workDir = await mkdtemp(join(tmpdir(), 'kaggle-agent-'));
  let manifest: Manifest | null = null;
  let error: JobError | null = null;
  const listened = listen(store, (event) => {
    if (event.type === 'exited') error = event.error;
    if ('progress' in event && event.progress !== null) options.onProgress(event.progress);
  });
  try {
    const exitCode = await runAgent({
      spec: { ...makeSpec(options, jobId), slug },
      store: listened,
      sink: null,
      sign: null,
      kaggle: options.kaggle,
      startHarness: ({ threads, onLog }) => startHarness({ python, threads, onLog }),
      sandbox: (await openProcessSandbox(python, { warm: true })).sandbox,
      recipes: options.recipes ?? (await loadRecipes()),
      identity: { podUid: `process-${process.pid}`, nonce: randomUUID() },
      podName: null,
      clock: options.clock,
      signal: options.signal,
      workDir: join(workDir, 'work'),
      cacheDir: options.cacheDir ?? join(workDir, 'cache'),
      foldCount: options.foldCount ?? null,
      foldsAtOnce: options.foldsAtOnce ?? FOLDS_AT_ONCE,
      workers: options.workers ?? WORKERS,
      model: options.llm?.model ?? null,
      print: options.onLine,
      versions: { node: process.versions.node },
      onFinished: (finished) => {
        manifest = finished;
      },
    });
    return { exitCode, jobId, manifest, error };
  } finally {
    await removeFolder(workDir);
  }
}

function makeSpec(options: SolveOptions, jobId: string) {
  return {
    schemaVersion: 1 as const,
    jobId,
    attempt: 1,
    jobName: `local-${jobId}`,
    tenant: 'default',
    kaggleUrl: competitionUrl(options.slug),
    resources: { cpuMillis: options.cpuMillis, memoryMib: options.memoryMib },
    remainingS: options.timeLimitS,
    activeDeadlineS: Math.ceil(options.timeLimitS) + 120,
    budgetUsd: options.llm?.budgetUsd ?? 0,
    llm: options.llm == null ? ('off' as const) : ('auto' as const),
    hint: options.hint ?? null,
    submitToKaggle: options.submitToKaggle,
    task: options.task ?? null,
    seed: options.seed ?? 0,
    traceparent: null,
  };
}

/** The same store; event objects are shown to `onEvent` once they are stored. */
function listen(store: ArtifactStore, onEvent: (event: AgentEvent) => void): ArtifactStore {
  return wrapWrites(store, async ({ key, body, write }) => {
    const outcome = await write();
    const isEvent = typeof body === 'string' && /\/a\d+\/events\/\d+$/.test(key) && outcome.kind === 'created';
    const event = isEvent ? AgentEvent.safeParse(JSON.parse(body)) : null;
    if (event?.success === true) onEvent(event.data);
    return outcome;
  });
}
