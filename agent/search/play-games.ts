import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunContext, Task } from '../context.ts';
import type { RunFolders } from '../evaluate/harness-protocol.ts';
import type { RunOutcome } from '../sandbox/sandbox.ts';
import type { FoldsOutcome, Program } from './run-folds.ts';
import { callHarness, throwIfStopped } from '../context.ts';
import { cleanText } from '../log.ts';
import { removeFolder } from '../remove-folder.ts';
import { protectFolders } from './run-folds.ts';
import { makeRunPlace } from './run-place.ts';
import { describeEnd, startRun } from './start-run.ts';

/** Asks a program for its moves: the same for every program, which lies beside the positions. */
const PLAYER = fileURLToPath(new URL('../python/recipes/play_positions.py', import.meta.url));
/** Moves that a game which goes on still wants of one side, at most on average. */
const MOVES_LEFT = 8;
/** Starting Python and reading the positions, besides the moves. */
const START_S = 15;
const MAX_LOG_CHARS = 512 * 1024;

/**
 * Kind `agent`: plays all games of a match side by side, each round one run in the sandbox that answers every position where it is the program's
 * turn; the harness is the referee, and moves for the opponents.
 */
export async function playGames(run: RunContext, task: Task, program: Program): Promise<FoldsOutcome> {
  const home = join(run.workDir, 'runs', `s${program.number}`);
  await mkdir(home, { recursive: true });
  const text: string[] = [];
  let chars = 0;
  const onOutput = (chunk: string): void => {
    run.log.output(`solution ${program.number}`, chunk);
    if (chars > MAX_LOG_CHARS) return;
    chars += chunk.length;
    text.push(...chunk.split('\n').map((line) => `${cleanText(line)}\n`));
  };
  const spent = { trainS: 0, slowestFoldS: 0, moves: 0 };
  try {
    const failure = await playRounds(run, task, program, { home, onOutput, spent });
    return { grades: [], failure, slowestFoldS: spent.slowestFoldS, trainS: Math.round(spent.trainS * 1000) / 1000, log: text.join('') };
  } finally {
    await removeFolder(home);
  }
}

interface Table {
  readonly home: string;
  readonly onOutput: (chunk: string) => void;
  readonly spent: { trainS: number; slowestFoldS: number; moves: number };
}

/** Round after round until all games are over. A text = why the program is given up. */
async function playRounds(run: RunContext, task: Task, program: Program, table: Table): Promise<string | null> {
  const params = { solution: program.number, program: program.path };
  let round = await callHarness(run, 'play_round', { ...params, out_dir: null });
  for (let played = 0; round.run !== null; played += 1) {
    throwIfStopped(run.signal);
    const needed = (table.spent.trainS / Math.max(1, table.spent.moves)) * round.left * MOVES_LEFT;
    if (played > 0 && needed > run.deadline.workS()) return `does not fit: needs about ${Math.ceil(needed)} s more`;
    const taken = await playRound(run, task, program, round.run, table);
    if (taken.failure !== null) return taken.failure;
    round = taken;
    run.voice.update({ message: `solution ${program.number}: ${round.left} games go on` });
  }
  return round.failure;
}

async function playRound(run: RunContext, task: Task, program: Program, folders: RunFolders, { home, onOutput, spent }: Table) {
  await protectFolders([folders]);
  const place = await makeRunPlace({ homeDir: home, runsDir: run.runsDir, folders, params: program.params });
  try {
    const limitS = START_S + folders.predict_rows * (task.profile.objective?.move_limit_s ?? 1);
    const outcome: RunOutcome = await run.stopwatch.measure('train', () =>
      startRun(run, task, PLAYER, { place, seed: task.seed, onOutput, timeoutMs: 1000 * limitS }),
    );
    throwIfStopped(run.signal);
    spent.trainS += outcome.seconds;
    spent.moves += folders.predict_rows;
    spent.slowestFoldS = Math.max(spent.slowestFoldS, outcome.seconds);
    run.used.runSeconds += outcome.seconds;
    run.used.peakMemoryMib = Math.max(run.used.peakMemoryMib, outcome.peakMemoryMib);
    if (outcome.exitClass !== 'ok') return { run: null, left: 0, failure: `${folders.run_id}: ${cleanText(describeEnd(outcome))}` };
    const params = { solution: program.number, program: program.path, out_dir: place.outDir };
    return await run.stopwatch.measure('grade', () => callHarness(run, 'play_round', params));
  } finally {
    await place.remove();
  }
}
