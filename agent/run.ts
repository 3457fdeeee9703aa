import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactStore, Clock, EventSink } from '#core/ports.ts';
import type { Deadline } from './deadline.ts';
import type { HarnessPort, HarnessResult } from './harness-port.ts';
import type { Identity } from './claim.ts';
import type { JobError } from '#core/job.ts';
import type { JobLog } from './log.ts';
import type { JobSpec } from '#core/job-spec.ts';
import type { Kaggle } from '#core/kaggle.ts';
import type { Manifest } from '#core/report.ts';
import type { Recipe } from './search/recipes.ts';
import type { RunContext } from './context.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import type { Voice, VoiceTimings } from './voice.ts';
import { EXIT } from '#core/job-spec.ts';
import { ClaimLost, describeError, RunEnds } from './errors.ts';
import { analyze } from './phases/analyze.ts';
import { beginSearch } from './search/search.ts';
import { claimAttempt } from './claim.ts';
import { createJobLog } from './log.ts';
import { executeSafely } from './phases/execute.ts';
import { finalize } from './phases/finalize.ts';
import { listRunFolders } from './evaluate/harness-protocol.ts';
import { openJournal } from './journal/journal.ts';
import { planSolutions } from './phases/plan.ts';
import { removeFolder } from './remove-folder.ts';
import { protectFolders } from './search/run-folds.ts';
import { replayJournal } from './journal/replay.ts';
import { startDeadline } from './deadline.ts';
import type { Stopwatch } from './stopwatch.ts';
import { startSteering } from './steering.ts';
import { startStopwatch } from './stopwatch.ts';
import { startVoice } from './voice.ts';

/** Any code that the protocol does not name: a fault of ours, tried once more. */
const EXIT_CRASHED = 1;

/** Everything one attempt is made of; only `main.ts` files construct these parts. */
export interface AgentParams {
  readonly spec: JobSpec;
  readonly store: ArtifactStore;
  /** Where hints go; null when no plane listens. */
  readonly sink: EventSink | null;
  readonly sign: ((eventId: string) => string) | null;
  readonly kaggle: Kaggle;
  /** Called once, after the claim: a process that lost the claim starts nothing. */
  readonly startHarness: (options: { readonly threads: number; readonly onLog: (line: string) => void }) => HarnessPort;
  readonly sandbox: Sandbox;
  readonly recipes: readonly Recipe[];
  readonly identity: Identity;
  readonly podName: string | null;
  readonly clock: Clock;
  /** Aborted by SIGTERM. */
  readonly signal: AbortSignal;
  /** A folder of this attempt alone; emptied at the end. */
  readonly workDir: string;
  /** A folder of this attempt alone on the runner's volume, emptied at the end; null (or absent) = runs lie in `workDir`. */
  readonly runsDir?: string | null;
  /** What the folders of all runs may take together; null (or absent) = half of what is free. */
  readonly stagingMib?: number | null;
  readonly cacheDir: string;
  /** How many folds are cut; null (or absent) = as the task and the time limit have it. */
  readonly foldCount?: number | null;
  readonly foldsAtOnce: number;
  /** How many ideas Claude works on at a time; absent = one. */
  readonly workers?: number;
  /** Who is asked for ideas and programs; null (or absent) = built-in recipes only. */
  readonly model?: RunContext['model'];
  readonly print: (line: string) => void;
  readonly versions: Readonly<Record<string, string>>;
  readonly voiceTimings?: VoiceTimings;
  readonly onFinished?: (manifest: Manifest) => void;
}

/**
 * One attempt at a job: claim, analyze, plan, execute until a stop rule holds, finalize. Resolves with the exit code and never throws; what
 * went wrong is the last event's `error`. A process that lost the claim says and stores nothing.
 */
export async function runAgent(params: AgentParams): Promise<number> {
  const { spec, store, clock } = params;
  const deadline = startDeadline(clock, spec.remainingS);
  const stopwatch = startStopwatch(clock);
  try {
    await claimAttempt(store, spec.jobId, spec.attempt, params.identity);
  } catch (error) {
    params.print(`${describeError(error)}: nothing was done`);
    return error instanceof ClaimLost ? EXIT.claimLost : EXIT_CRASHED;
  }
  const lost = new AbortController();
  const log = createJobLog({ store, clock, jobId: spec.jobId, attempt: spec.attempt, print: params.print });
  const voice = startVoice({ ...describeSpeaker(params), remainingS: deadline.remainingS, onLost: (error) => lost.abort(error) });
  const signal = AbortSignal.any([params.signal, lost.signal]);
  try {
    await work(params, { deadline, stopwatch, log, voice, signal });
    return await leave(voice, log, EXIT.ok, null);
  } catch (error) {
    return await explainEnd({ error, lost: lost.signal, log, voice });
  }
}

interface AttemptParts {
  readonly deadline: Deadline;
  readonly stopwatch: Stopwatch;
  readonly log: JobLog;
  readonly voice: Voice;
  readonly signal: AbortSignal;
}

/** The sentence itself, between claim and exit. */
async function work(params: AgentParams, parts: AttemptParts): Promise<void> {
  const { deadline, log } = parts;
  const { spec, workDir } = params;
  await mkdir(join(workDir, 'harness'), { recursive: true });
  const threads = Math.max(1, Math.floor(spec.resources.cpuMillis / 1000));
  const harness = params.startHarness({ threads, onLog: (line) => log.output('harness', `${line}\n`) });
  try {
    // Python loads its packages while the competition is read; the first call that needs them waits.
    const greeting = harness.call('hello', {}, { timeoutMs: 120_000 });
    greeting.catch(() => undefined);
    const { store, clock } = params;
    const { journal, earlier } = await openJournal(
      { store, clock, jobId: spec.jobId, attempt: spec.attempt, elapsedS: deadline.elapsedS },
      { podUid: params.identity.podUid, remainingS: spec.remainingS, versions: params.versions },
    );
    const earlierState = replayJournal(earlier);
    deadline.adoptLimit(earlierState.limitS ?? spec.remainingS);
    const steering = startSteering({ store, jobId: spec.jobId, deadline, earlier: earlierState, journal, log });
    const run: RunContext = {
      ...params,
      ...parts,
      harness,
      runsDir: params.runsDir ?? null,
      stagingMib: params.stagingMib ?? null,
      model: params.model ?? null,
      workers: params.workers ?? 1,
      foldCount: params.foldCount ?? null,
      journal,
      earlier: earlierState,
      steering,
      threads,
      versions: { ...params.versions },
      notes: writeSandboxNotes(params.sandbox),
      used: { runSeconds: 0, peakMemoryMib: 0, llmUsd: 0 },
    };
    await solve(params, run, greeting).finally(() => steering.close());
  } finally {
    await harness.close();
    await removeFolder(workDir);
    if (params.runsDir != null) await removeFolder(params.runsDir);
  }
}

/** Said on every result: programs that nobody wrote are not for a sandbox that lets them out. */
function writeSandboxNotes({ generatedCode }: Sandbox): string[] {
  return generatedCode.accepted ? [] : [`Only built-in recipes are run here, no generated code: ${generatedCode.reason}`.slice(0, 500)];
}

async function solve(params: AgentParams, run: RunContext, greeting: Promise<HarnessResult<'hello'>>): Promise<void> {
  try {
    const { task, resumable } = await analyze(run);
    const { python, packages } = await greeting;
    Object.assign(run.versions, { python, ...packages });
    await protectFolders(listRunFolders(task.folds));
    const search = await beginSearch(run, task, resumable);
    run.voice.update({ stage: 'plan', message: 'choosing what to try' });
    const plan = planSolutions(run, task, search.board);
    await executeSafely(run, task, search, plan);
    const manifest = await finalize(run, task, search);
    params.onFinished?.(manifest);
  } catch (error) {
    if (!(error instanceof ClaimLost) && !isFinished(run)) await closeJournal(run, error);
    throw error;
  }
}

function isFinished(run: RunContext): boolean {
  return run.journal.facts().some((fact) => fact.type === 'attempt-ended');
}

/** The journal's last line of an attempt that does not end well, best effort: its absence means the same. */
async function closeJournal(run: RunContext, error: unknown): Promise<void> {
  const reason = error instanceof RunEnds && error.exitCode === EXIT.stopped ? ('stopped' as const) : ('failed' as const);
  const elapsedS = Math.round(run.deadline.elapsedS() * 1000) / 1000;
  await run.journal.append({ type: 'attempt-ended', reason, detail: describeError(error), elapsedS }).catch(() => undefined);
}

function describeSpeaker(params: AgentParams) {
  const { spec, store, sink, sign, clock, podName } = params;
  const timings = params.voiceTimings === undefined ? {} : { timings: params.voiceTimings };
  return {
    store,
    sink,
    sign,
    clock,
    podName,
    jobId: spec.jobId,
    attempt: spec.attempt,
    tenant: spec.tenant,
    traceparent: spec.traceparent,
    ...timings,
  };
}

/** From an error to exit code and last word. */
async function explainEnd(end: {
  readonly error: unknown;
  readonly lost: AbortSignal;
  readonly log: JobLog;
  readonly voice: Voice;
}): Promise<number> {
  const { error, lost, log, voice } = end;
  if (error instanceof ClaimLost || lost.aborted) {
    log.warn(`another process has this job: ${describeError(lost.aborted ? lost.reason : error)}`);
    await voice.close();
    await log.close();
    return error instanceof ClaimLost || lost.reason instanceof ClaimLost ? EXIT.claimLost : EXIT_CRASHED;
  }
  if (error instanceof RunEnds) {
    log.warn(error.message);
    return leave(voice, log, error.exitCode, error.jobError);
  }
  const message = `The agent failed: ${describeError(error)}`;
  log.warn(message);
  return leave(voice, log, EXIT_CRASHED, { code: 'crashed', message, turn: 'retry' });
}

async function leave(voice: Voice, log: JobLog, exitCode: number, error: JobError | null): Promise<number> {
  log.info(`ending with code ${exitCode}`);
  await log.close();
  await voice.exited(exitCode, error);
  return exitCode;
}
