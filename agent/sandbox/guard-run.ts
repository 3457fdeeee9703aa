import type { RunProcess } from './fork-server.ts';
import type { RunEnd } from './end-run.ts';
import type { RunLimits } from './run-limits.ts';
import type { ExitClass, SolutionRun } from './sandbox.ts';
import { measureFolder } from './measure-folder.ts';
import { listTree, measureMemory } from './process-tree.ts';

const TERM_GRACE_MS = 2_000;
const POLL_MS = 100;
/** Folders are looked at less often: each look reads them whole. */
const POLLS_PER_FOLDER_LOOK = 3;

/** Why a guard ended a run, with a sentence for people. */
export interface GuardedEnd {
  readonly exitClass: ExitClass;
  readonly words: string;
}

export interface Guard {
  reason(): GuardedEnd | null;
  peakMib(): number;
  stop(): void;
}

/** `isForked`: it shares its parent's memory, which is not its own. Ends the run when a limit is passed, or the attempt is stopped: TERM, grace, KILL for time, else KILL, always to all of it. */
export function guardRun(child: RunProcess, order: SolutionRun, limits: RunLimits, run: RunEnd, isForked = false): Guard {
  let reason: GuardedEnd | null = null;
  let peakMib = 0;
  let killTimer: NodeJS.Timeout | null = null;
  let polls = 0;
  let looking = false;
  const end = (exitClass: ExitClass, words: string, graceMs = 0): void => {
    if (reason !== null) return;
    reason = { exitClass, words };
    if (graceMs === 0) return run.kill();
    run.ask();
    killTimer = setTimeout(run.kill, graceMs);
  };
  const look = async (pid: number): Promise<void> => {
    const members = await listTree(pid, limits.tasks);
    // Before their memory is added up: a fork bomb is faster than that.
    const tasks = members.reduce((sum, member) => sum + member.tasks, 0);
    if (tasks > limits.tasks) return end('killed', `it started more than ${limits.tasks} processes and threads`);
    const memoryMib = await measureMemory(members, isForked);
    peakMib = Math.max(peakMib, memoryMib);
    if (memoryMib > order.memoryMib) end('oom', `it used more than ${order.memoryMib} MiB of memory`);
    polls += 1;
    if (polls % POLLS_PER_FOLDER_LOOK !== 0) return;
    const sizes = [await measureFolder(order.scratchDir, limits.files), await measureFolder(order.outDir, limits.files)];
    if (sizes.some(({ mib }) => mib > limits.diskMib)) end('disk', `it wrote more than ${limits.diskMib} MiB`);
    if (sizes.some(({ files }) => files > limits.files)) end('disk', `it made more than ${limits.files} files`);
  };
  const onAbort = (): void => end('stopped', 'it was stopped');
  order.signal.addEventListener('abort', onAbort, { once: true });
  const seconds = (order.timeoutMs / 1000).toFixed(1);
  const timeout = setTimeout(() => end('timeout', `it took more than ${seconds} s`, TERM_GRACE_MS), order.timeoutMs);
  const poll = setInterval(() => {
    if (child.pid === undefined || looking) return;
    looking = true;
    void look(child.pid).finally(() => (looking = false));
  }, POLL_MS);
  return {
    reason: () => reason,
    peakMib: () => peakMib,
    stop(): void {
      clearTimeout(timeout);
      clearInterval(poll);
      if (killTimer !== null) clearTimeout(killTimer);
      order.signal.removeEventListener('abort', onAbort);
    },
  };
}
