import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFolders } from '../evaluate/harness-protocol.ts';
import type { RunContext, Task } from '../context.ts';
import { throwIfStopped } from '../context.ts';
import { cleanText } from '../log.ts';
import { removeFolder } from '../remove-folder.ts';
import { protectFolders } from './run-folds.ts';
import { makeRunPlace } from './run-place.ts';
import { chooseRunsAtOnce, describeEnd, startRun } from './start-run.ts';
import { forEachLimited } from '#core/concurrency.ts';

/** Runs a program once for each of the folders and gives each output to `take`. The first failure ends it, as one line; null = all went well. */
export async function runEach(
  run: RunContext,
  task: Task,
  program: {
    readonly number: number;
    readonly path: string;
    readonly params: Readonly<Record<string, unknown>>;
    readonly onOutput?: (chunk: string) => void;
    /** Seconds that one run may take; absent = the time that is left. */
    readonly mostRunS?: number;
  },
  folders: readonly RunFolders[],
  take: (folders: RunFolders, outDir: string) => Promise<{ readonly failure: string | null }>,
): Promise<string | null> {
  const { number, path, params } = program;
  await protectFolders(folders);
  const home = join(run.workDir, 'runs', `s${number}`);
  await mkdir(home, { recursive: true });
  let failure: string | null = null;
  try {
    await forEachLimited(folders, chooseRunsAtOnce(run, task), async (each) => {
      if (failure !== null) return;
      throwIfStopped(run.signal);
      const place = await makeRunPlace({ homeDir: home, runsDir: run.runsDir, folders: each, params });
      try {
        const onOutput = (chunk: string): void => {
          run.log.output(`solution ${number} ${each.run_id}`, chunk);
          program.onOutput?.(chunk);
        };
        const outcome = await run.stopwatch.measure('train', () =>
          startRun(run, task, path, { place, seed: task.seed, onOutput, timeoutMs: 1000 * (program.mostRunS ?? Infinity) }),
        );
        throwIfStopped(run.signal);
        run.used.runSeconds += outcome.seconds;
        run.used.peakMemoryMib = Math.max(run.used.peakMemoryMib, outcome.peakMemoryMib);
        const reply = outcome.exitClass === 'ok' ? await take(each, place.outDir) : { failure: cleanText(describeEnd(outcome)) };
        if (reply.failure !== null) failure ??= `${each.run_id}: ${reply.failure}`;
      } finally {
        await place.remove();
      }
    });
    return failure;
  } finally {
    await removeFolder(home);
  }
}
