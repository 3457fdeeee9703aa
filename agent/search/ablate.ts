import type { BlockEffect } from '../journal/entries.ts';
import type { RunContext, Task } from '../context.ts';
import type { MeasuredProgram } from './probe.ts';
import { callHarness } from '../context.ts';
import { runEach } from './run-each.ts';
import { chooseRunsAtOnce } from './start-run.ts';

const MOST_BLOCKS = 6;
const LEAST_FOLDS = 2;
/** Without a block a run takes no longer; a little patience besides. */
const PATIENCE = 1.5;
const PATIENCE_S = 5;
/** Of the time that training has left. */
const SHARE = 0.15;

/**
 * The blocks that a program says it can leave out: the texts of its `BLOCKS = ("…", …)`. Read from its text; nothing of it is run.
 */
export function listBlocks(code: string): string[] {
  const list = /^BLOCKS = [([]([^)\]]{0,500})[)\]]/m.exec(code)?.[1] ?? '';
  const names = [...list.matchAll(/["']([A-Za-z0-9][A-Za-z0-9 _-]{0,39})["']/g)].flatMap(([, name]) => name ?? []);
  return [...new Set(names)].slice(0, MOST_BLOCKS);
}

/** How many folds each block can be left out in, within its share of the time; 0 = there is no time for it. */
export function chooseFolds(options: {
  readonly folds: number;
  readonly blocks: number;
  readonly foldS: number;
  readonly atOnce: number;
  readonly leftS: number;
}): number {
  const { folds, blocks, foldS, atOnce, leftS } = options;
  const rounds = Math.floor((SHARE * leftS) / Math.max(0.01, foldS * blocks));
  const fit = Math.min(folds, rounds * atOnce);
  return fit >= Math.min(LEAST_FOLDS, folds) ? fit : 0;
}

/**
 * Runs a graded program over some folds with one of its blocks left out at a time, and measures what each is worth: its fold scores with the
 * block against those without it. Null when there is no time for it. Nothing of these runs is kept as a solution.
 */
export async function measureBlocks(
  run: RunContext,
  task: Task,
  program: MeasuredProgram,
  blocks: readonly string[],
): Promise<BlockEffect[] | null> {
  const { number: solution, slowestFoldS: foldS } = program;
  const atOnce = chooseRunsAtOnce(run, task);
  const leftS = run.deadline.workS();
  const count = chooseFolds({ folds: task.folds.runs.length, blocks: blocks.length, foldS, atOnce, leftS });
  if (count === 0 || blocks.length === 0) return null;
  const effects: BlockEffect[] = [];
  for (const block of blocks) {
    run.voice.update({ message: `solution ${solution} without its block "${block}"` });
    const gains: number[] = [];
    const params = { ...program.params, off: [block] };
    const failure = await runEach(
      run,
      task,
      { number: solution, path: program.path, params, mostRunS: PATIENCE * foldS + PATIENCE_S },
      task.folds.runs.slice(0, count),
      async (folders, outDir) => {
        const measured = await run.stopwatch.measure('grade', () =>
          callHarness(run, 'measure_fold', { solution, run_id: folders.run_id, out_dir: outDir }),
        );
        if (measured.score === null || measured.full === null) return { failure: measured.failure ?? 'it has no score' };
        gains.push(task.metric.direction === 'maximize' ? measured.full - measured.score : measured.score - measured.full);
        return { failure: null };
      },
    );
    effects.push({ block, gains: failure === null ? gains : [], failure });
  }
  return effects;
}

/** What the blocks are worth, one line each: positive = the program is better with it. */
export function describeEffects(effects: readonly BlockEffect[]): string {
  return effects
    .map(({ block, gains, failure }) => {
      if (failure !== null) return `"${block}": the program fails without it: ${failure.slice(0, 200)}`;
      const mean = gains.reduce((sum, gain) => sum + gain, 0) / Math.max(1, gains.length);
      const variance = gains.reduce((sum, gain) => sum + (gain - mean) ** 2, 0) / Math.max(1, gains.length - 1);
      const noise = Math.sqrt(variance / Math.max(1, gains.length));
      return `"${block}": worth ${shorten(mean)} a fold (noise ${shorten(noise)}, ${gains.length} fold${gains.length === 1 ? '' : 's'})`;
    })
    .join('\n');
}

function shorten(value: number): string {
  return String(Number(value.toPrecision(4)));
}
