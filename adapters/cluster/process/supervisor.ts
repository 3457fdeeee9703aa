// The supervisor of one run: a small process in its own session that outlives the control plane. Takes a Launch on standard input and makes
// the run's folder its working directory (it stays that folder even when renamed). It imports only Node's own modules: every library would be
// paid for by each run, in start time and memory.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import type { EndCause } from '#core/exit-class.ts';
import { RunMembers } from './members.ts';
import { OutputLog } from './output-log.ts';
import { identifyProcess } from './proc.ts';
import { RUN_FILES, createFileOnce, replaceFile } from './run-files.ts';
import type { Launch, RunState } from './run-files.ts';

const POLL_MS = 250;
const KILL_POLL_MS = 20;
const DRAIN_MS = 1000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Runs one program to its end and writes what became of it. */
class Supervisor {
  readonly #launch: Launch;
  readonly #members: RunMembers;
  #state: RunState;
  #child: ChildProcess | null = null;
  #cause: EndCause | null = null;
  #reason = '';
  #peakMemoryMib = 0;
  #timers: NodeJS.Timeout[] = [];
  #isEnding = false;

  constructor(launch: Launch) {
    this.#launch = launch;
    this.#members = new RunMembers(launch.uid, null);
    this.#state = {
      schemaVersion: 1,
      uid: launch.uid,
      phase: 'starting',
      supervisor: identifyProcess(process.pid),
      child: null,
      exitCode: null,
      signal: null,
      cause: null,
      reason: '',
      peakMemoryMib: null,
      startedAt: null,
      finishedAt: null,
    };
  }

  /** Takes the run's lock and starts its program; false when another supervisor has or had the run. */
  start(): boolean {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => this.#stop());
    // The name may have been given to another run before we came to be; and a folder being deleted loses its order first, so that a lock
    // taken there is known to be worth nothing.
    const { uid } = this.#launch;
    if (!isOrdered(uid) || !createFileOnce(RUN_FILES.state, JSON.stringify(this.#state)) || !isOrdered(uid)) return false;
    if (existsSync(RUN_FILES.deleteRequested)) this.#end({ cause: 'stopped', reason: 'stopped before it was started' });
    else this.#startChild();
    return true;
  }

  #startChild(): void {
    const child = this.#spawn();
    this.#child = child;
    if (child?.pid === undefined) return;
    const identity = identifyProcess(child.pid);
    if (identity !== null) this.#members.setRoot(identity);
    child.once('exit', (code, signal) => void this.#finish(code, signal));
    this.#keepOutput(child);
    this.#save({ phase: 'running', child: identity, startedAt: new Date().toISOString() });
    this.#timers.push(setTimeout(() => this.#cutOff(), Math.min(this.#launch.deadlineMs, MAX_TIMER_MS)));
    this.#poll();
  }

  /** Null when it was refused at once; other failures to start come as an event. */
  #spawn(): ChildProcess | null {
    const { file, args, env } = this.#launch;
    const endUnstarted = (error: unknown) =>
      this.#end({ cause: 'cannot-start', reason: `the program could not be started: ${String(error)}` });
    try {
      const child = spawn(file, args, { cwd: RUN_FILES.work, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
      child.once('error', (error) => {
        if (child.pid === undefined) endUnstarted(error.message);
      });
      return child;
    } catch (error) {
      endUnstarted(error instanceof Error ? error.message : error);
      return null;
    }
  }

  #keepOutput(child: ChildProcess): void {
    for (const [stream, name] of [
      [child.stdout, RUN_FILES.stdout],
      [child.stderr, RUN_FILES.stderr],
    ] as const) {
      const log = new OutputLog(name, this.#launch.outputBytes);
      stream?.on('data', (chunk: Buffer) => log.write(chunk));
      stream?.once('close', () => log.close());
    }
  }

  /** Memory and orders to stop, again and again; never more than about 5 % of a core, however many processes the machine has. */
  #poll(): void {
    const startedMs = performance.now();
    this.#members.scan();
    const limitMib = this.#launch.memoryMib;
    const usedMib = this.#members.measureMemoryMib(limitMib);
    this.#peakMemoryMib = Math.max(this.#peakMemoryMib, usedMib);
    if (usedMib > limitMib) this.#killFor('out-of-memory', `out of memory: ${Math.ceil(usedMib)} MiB used, limit ${limitMib} MiB`);
    if (existsSync(RUN_FILES.deleteRequested)) this.#stop();
    const pauseMs = Math.max(POLL_MS, 20 * (performance.now() - startedMs));
    if (!this.#isEnding) this.#timers.push(setTimeout(() => this.#poll(), pauseMs));
  }

  #stop(): void {
    this.#terminate('stopped', 'asked to stop');
  }

  #cutOff(): void {
    this.#terminate('deadline', `cut off after ${Math.round(this.#launch.deadlineMs / 1000)} s`);
  }

  /** Asks the program itself (not its children: it knows what to save first) to end, and kills all of it after the grace. */
  #terminate(cause: EndCause, reason: string): void {
    if (this.#cause !== null || this.#isEnding) return;
    this.#cause = cause;
    this.#reason = reason;
    this.#child?.kill('SIGTERM');
    this.#timers.push(
      setTimeout(() => {
        this.#reason = `${reason}; killed, it did not end within ${this.#launch.graceMs} ms`;
        this.#members.killAll();
      }, this.#launch.graceMs),
    );
  }

  #killFor(cause: EndCause, reason: string): void {
    if (this.#isEnding) return;
    if (this.#cause === null) this.#reason = reason;
    this.#cause ??= cause;
    this.#members.killAll();
  }

  /** The program has ended: whatever it left behind is killed before anyone is told. */
  async #finish(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    this.#isEnding = true;
    for (const timer of this.#timers) clearTimeout(timer);
    while (!this.#members.killAll()) await pause(KILL_POLL_MS);
    await this.#drainOutput();
    const exitCode = code ?? (signal === null ? null : 128 + constants.signals[signal]);
    this.#end({ exitCode, signal, cause: this.#cause, reason: this.#reason });
  }

  /** All writers are dead, so the pipes end by themselves; the limit is for a descriptor passed to a process of someone else. */
  async #drainOutput(): Promise<void> {
    const closed = [this.#child?.stdout, this.#child?.stderr].map((stream) => {
      if (stream === null || stream === undefined || stream.destroyed) return Promise.resolve();
      return new Promise<void>((resolve) => void stream.once('close', () => resolve()));
    });
    await Promise.race([pause(DRAIN_MS), Promise.all(closed)]);
  }

  #end(end: Partial<RunState>): void {
    this.#isEnding = true;
    const peakMemoryMib = this.#child === null ? null : Math.round(this.#peakMemoryMib);
    rmSync(RUN_FILES.token, { force: true });
    this.#save({ ...end, phase: 'ended', peakMemoryMib, finishedAt: new Date().toISOString() });
    process.exit(0);
  }

  /** The end must get onto the disk: a full one is waited for, rather than losing an exit code. */
  #save(change: Partial<RunState>): void {
    this.#state = { ...this.#state, ...change };
    for (let tries = 0; ; tries += 1) {
      try {
        replaceFile(RUN_FILES.state, JSON.stringify(this.#state));
        break;
      } catch (error) {
        if (this.#state.phase !== 'ended' || tries >= 600 || (error instanceof Error && 'code' in error && error.code === 'ENOENT')) break;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
      }
    }
    touch(this.#launch.signalFile);
  }
}

function touch(path: string): void {
  try {
    writeFileSync(path, '');
  } catch {
    // Only a hint: whoever watches also looks by itself.
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** True while this folder is that of the run. */
function isOrdered(uid: string): boolean {
  try {
    const order: { uid?: unknown } = JSON.parse(readFileSync(RUN_FILES.order, 'utf8'));
    return order.uid === uid;
  } catch {
    return false;
  }
}

/** The launch, or null: then no run came, or the control plane died while telling us, and whoever creates the run again tells another one. */
function readLaunch(): Launch | null {
  try {
    // Written by our own control plane, through a pipe that nobody else has: whole or not JSON.
    const launch: Launch = JSON.parse(readFileSync(0, 'utf8'));
    return launch.schemaVersion === 1 ? launch : null;
  } catch {
    return null;
  }
}

/** False when the folder has gone, and with it the run. */
function enterFolder({ folder }: Launch): boolean {
  try {
    process.chdir(folder);
    // People see in `ps` whose supervisor it is.
    process.title = `supervisor of ${basename(folder)}`;
    return true;
  } catch {
    return false;
  }
}

const launch = readLaunch();
if (launch !== null && (!enterFolder(launch) || !new Supervisor(launch).start())) process.exit(0);
