import type { Grade } from '../journal/entries.ts';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evaluation, HarnessResultOf, ProbeOutcome } from '../evaluate/harness-protocol.ts';
import type { RunContext, Task } from '../context.ts';
import type { RunPlace } from './run-place.ts';
import { callHarness, throwIfStopped } from '../context.ts';
import { chooseRunsAtOnce, describeEnd, startRun } from './start-run.ts';
import { cleanText } from '../log.ts';
import { forEachLimited } from '#core/concurrency.ts';
import { makeRunPlace } from './run-place.ts';
import { protectFolders } from './run-folds.ts';
import { removeFolder } from '../remove-folder.ts';

/** A program whose solution was measured, with what its slowest fold took. */
export interface MeasuredProgram {
  readonly number: number;
  readonly path: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly isGenerated: boolean;
  readonly slowestFoldS: number;
  /** What its folds scored as they came in; absent where nobody asks. */
  readonly grades?: readonly Grade[];
}

type Probe = HarnessResultOf<'cut_probes'>['probes'][number];

/** What the probes may take of the time that is left: of a program that is of no use without them, and of others. */
const SHARE_GENERATED = 0.3;
const SHARE_BUILT_IN = 0.05;
/** A probe has at most as many rows as a fold; a little patience besides. */
const PATIENCE = 3;
const PATIENCE_S = 10;
/** Ends that are not the program's doing. */
const NO_FAULT = new Set(['timeout', 'stopped', 'oom', 'disk']);

/**
 * Runs a finalist's program once more, changed in ways that no honest program minds, and gives its evaluation with what came of that; null
 * when there is no time for it.
 */
export async function runProbes(run: RunContext, task: Task, program: MeasuredProgram): Promise<Evaluation | null> {
  const { number, isGenerated: generated } = program;
  const { probes } = await run.stopwatch.measure('cut', () => callHarness(run, 'cut_probes', { generated }));
  const atOnce = chooseRunsAtOnce(run, task);
  const neededS = program.slowestFoldS * Math.ceil(probes.length / atOnce);
  if (neededS > (generated ? SHARE_GENERATED : SHARE_BUILT_IN) * run.deadline.workS()) return null;
  await protectFolders(probes.map((probe) => probe.run));
  const home = join(run.workDir, 'runs', `s${number}`);
  await mkdir(home, { recursive: true });
  const places: RunPlace[] = [];
  try {
    const outcomes: ProbeOutcome[] = [];
    await forEachLimited(probes, atOnce, async (probe) => {
      throwIfStopped(run.signal);
      const place = await makeRunPlace({ homeDir: home, runsDir: run.runsDir, folders: probe.run, params: program.params });
      places.push(place);
      outcomes.push(await runProbe(run, task, program, probe, place));
    });
    return await run.stopwatch.measure('grade', () => callHarness(run, 'judge_probes', { solution: number, generated, outcomes }));
  } finally {
    await Promise.all(places.map((place) => place.remove()));
    await removeFolder(home);
  }
}

async function runProbe(run: RunContext, task: Task, program: MeasuredProgram, { kind }: Probe, place: RunPlace): Promise<ProbeOutcome> {
  const outcome = await run.stopwatch.measure('train', () =>
    startRun(run, task, program.path, {
      place,
      seed: kind === 'fresh' ? task.seed + 1 : task.seed,
      onOutput: (chunk) => run.log.output(`solution ${program.number} probe`, chunk),
      // Its score must hold after a cold start, too. The other probes start as the folds did: a program can tell.
      coldStart: kind === 'fresh',
      timeoutMs: 1000 * (PATIENCE * program.slowestFoldS + PATIENCE_S),
    }),
  );
  throwIfStopped(run.signal);
  run.used.runSeconds += outcome.seconds;
  if (outcome.exitClass === 'ok') return { kind, out_dir: place.outDir, failure: null, is_fault: false };
  return { kind, out_dir: null, failure: cleanText(describeEnd(outcome)), is_fault: !NO_FAULT.has(outcome.exitClass) };
}
