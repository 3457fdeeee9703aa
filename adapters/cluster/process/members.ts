// Which processes belong to a run, and how to end them all. Imported by the supervisor: only Node's own modules and /proc.
import { hasEnvEntry, listProcesses, readPssKib, readProcess, readRssKib, sendSignal } from './proc.ts';
import type { ProcessIdentity, ProcessRow } from './proc.ts';

/** Name of the variable that every process of a run inherits; its value is the run's uid. */
export const RUN_UID_VARIABLE = 'KAGGLE_AGENT_RUN_UID';

/**
 * The processes of one run. Node can't make itself a child subreaper, so a process that double-forks into its own session leaves our
 * tree; it is found by what it can't leave at once: its parent while that lives, its session or group, or the variable it was born with.
 * A process once seen stays a member until it dies. Not found: one that leaves all of these between two scans and clears its environment.
 */
export class RunMembers {
  readonly #members = new Map<number, number>();
  readonly #strangers = new Map<number, number>();
  readonly #marker: string;
  #root: ProcessIdentity | null;
  #watchesRoot = false;

  constructor(uid: string, root: ProcessIdentity | null) {
    this.#marker = `${RUN_UID_VARIABLE}=${uid}`;
    this.#root = root;
  }

  /** Names the run's first process, which the caller has just started and watches. */
  setRoot(root: ProcessIdentity): void {
    this.#root = root;
    this.#watchesRoot = true;
    this.#members.set(root.pid, root.startTicks);
  }

  /** Looks through the whole process table; returns the numbers of the members that live. */
  scan(): number[] {
    const rows = listProcesses().filter((row) => row.pid !== process.pid);
    const byPid = new Map(rows.map((row) => [row.pid, row]));
    forgetDead(this.#members, byPid);
    forgetDead(this.#strangers, byPid);
    for (const row of rows) if (this.#isMarked(row) || this.#isInSession(row, byPid)) this.#members.set(row.pid, row.startTicks);
    this.#addDescendants(rows);
    return [...this.#members.keys()];
  }

  /** Memory of the members found by the last scan, in MiB. Shared pages are counted once, but only worked out when it matters. */
  measureMemoryMib(limitMib: number): number {
    const pids = [...this.#members.keys()];
    const rssMib = sum(pids.map(readRssKib)) / 1024;
    if (rssMib <= limitMib) return rssMib;
    return sum(pids.map((pid) => readPssKib(pid) || readRssKib(pid))) / 1024;
  }

  /** Kills every member; true when none was left to kill. Call again until it says so: a member may have forked meanwhile. */
  killAll(): boolean {
    const pids = this.scan();
    for (const pid of pids) if (readProcess(pid)?.startTicks === this.#members.get(pid)) sendSignal(pid, 'SIGKILL');
    return pids.length === 0;
  }

  #isMarked(row: ProcessRow): boolean {
    if (this.#members.get(row.pid) === row.startTicks) return true;
    if (this.#strangers.get(row.pid) === row.startTicks) return false;
    const marked = hasEnvEntry(row.pid, this.#marker);
    // Its environment is not there yet while a process is being started, so only what had time to start is remembered as a stranger.
    if (!marked && this.#strangers.has(row.pid)) this.#strangers.set(row.pid, row.startTicks);
    else if (!marked) this.#strangers.set(row.pid, -1);
    return marked;
  }

  /** In the session or group of the run's first process, while that number certainly still means it. */
  #isInSession(row: ProcessRow, byPid: ReadonlyMap<number, ProcessRow>): boolean {
    const root = this.#root;
    if (root === null || (row.sessionId !== root.pid && row.groupId !== root.pid)) return false;
    const leader = byPid.get(root.pid);
    // A session's number is not given away while the session has members; without having watched, it may be a later session's.
    return leader === undefined ? this.#watchesRoot : leader.startTicks === root.startTicks;
  }

  #addDescendants(rows: readonly ProcessRow[]): void {
    for (let grown = true; grown;) {
      grown = false;
      for (const row of rows) {
        if (this.#members.has(row.pid) || !this.#members.has(row.parentPid)) continue;
        this.#members.set(row.pid, row.startTicks);
        grown = true;
      }
    }
  }
}

function forgetDead(known: Map<number, number>, byPid: ReadonlyMap<number, ProcessRow>): void {
  for (const [pid, startTicks] of known) {
    const row = byPid.get(pid);
    if (row === undefined || (startTicks !== -1 && row.startTicks !== startTicks)) known.delete(pid);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
