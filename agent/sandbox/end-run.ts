import type { RunProcess } from './fork-server.ts';
import { killTree, signalGroup, signalOne } from './process-tree.ts';

/** How long a supervisor may take to end everything before it is ended itself. */
const SUPERVISOR_MS = 6_000;

/** The ways to end a run: `ask` = SIGTERM, `kill` = everything at once, `sweep` = what the main process left behind. */
export interface RunEnd {
  ask(): void;
  kill(): void;
  sweep(): void;
}

/**
 * A `supervised` run ends through its supervisor (confine.py): it reaps daemons too, and ends only when nothing is left. A `contained` one
 * (bubblewrap) ends with the first process of its namespace, which dies with its starter. A `group` is a process group.
 */
export function endRun(child: RunProcess, kind: 'group' | 'supervised' | 'contained'): RunEnd {
  const { pid } = child;
  const nothing = (): void => undefined;
  if (pid === undefined) return { ask: nothing, kill: nothing, sweep: nothing };
  const killGroup = (): void => void signalGroup(pid, 'SIGKILL');
  if (kind !== 'supervised') return { ask: () => void signalGroup(pid, 'SIGTERM'), kill: killGroup, sweep: killGroup };
  return {
    ask: () => void signalOne(pid, 'SIGTERM'),
    kill: () => {
      signalOne(pid, 'SIGINT');
      const timer = setTimeout(() => void killTree(pid), SUPERVISOR_MS);
      child.once('exit', () => clearTimeout(timer));
    },
    sweep: killGroup,
  };
}
