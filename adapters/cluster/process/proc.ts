// What /proc says of processes. Imported by the supervisor, so it imports nothing but Node's own modules.
import { readFileSync, readdirSync } from 'node:fs';

/** Which process is meant: numbers are reused, a number with its start time (clock ticks since boot) within one boot is not. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

/** One line of the process table. */
export interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  readonly startTicks: number;
  /** `Z` and `X` are dead: they hold no memory and only wait to be reaped. */
  readonly state: string;
}

/** Text of a file of /proc, or null when the process is gone or not ours to look at. */
function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

/** The random id of this boot: process numbers of an earlier boot mean nothing. */
export function readBootId(): string {
  return (readProc('/proc/sys/kernel/random/boot_id') ?? 'unknown').trim();
}

/** The row of one process, or null when there is none. */
export function readProcess(pid: number): ProcessRow | null {
  const stat = readProc(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The program's name is in brackets and may hold spaces and brackets itself, so the fields start after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? 'X',
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    sessionId: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/** All processes that are alive. */
export function listProcesses(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const row = readProcess(pid);
    if (row !== null && isLiveState(row.state)) rows.push(row);
  }
  return rows;
}

/** The identity of a process that runs now, or null. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const row = readProcess(pid);
  return row === null ? null : { pid, startTicks: row.startTicks, bootId: readBootId() };
}

/** True while exactly this process (not a later one with its number) lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  const row = readProcess(identity.pid);
  return row !== null && row.startTicks === identity.startTicks && isLiveState(row.state) && identity.bootId === readBootId();
}

/** True when the process was started with this `NAME=value` in its environment. */
export function hasEnvEntry(pid: number, entry: string): boolean {
  const environ = readProc(`/proc/${pid}/environ`);
  return environ !== null && `\0${environ}\0`.includes(`\0${entry}\0`);
}

/** Resident memory of a process in KiB, shared pages counted in full; 0 when it is gone. */
export function readRssKib(pid: number): number {
  return readKib(`/proc/${pid}/status`, /^VmRSS:\s+(\d+)/m);
}

/** Resident memory of a process in KiB, each shared page divided by its users. Slower than `readRssKib`; 0 when gone or not readable. */
export function readPssKib(pid: number): number {
  return readKib(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+)/m);
}

/** Sends a signal; false when there is no such process. Throws only what a programming error causes. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

function isLiveState(state: string): boolean {
  return state !== 'Z' && state !== 'X';
}

function readKib(path: string, pattern: RegExp): number {
  return Number(pattern.exec(readProc(path) ?? '')?.[1] ?? 0);
}
