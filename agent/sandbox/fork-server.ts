import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../python/fork_server.py', import.meta.url));
const HEAD_BYTES = 9;
/** After so many runs a new server takes over (solution contract, section 6). */
const MOST_RUNS = 200;
const START_TIMEOUT_MS = 60_000;
/** A server keeps nobody alive; a run does. */
const HOLD_MS = 60_000;

const KIND = { out: 1, err: 2, begun: 3, ended: 4, ready: 5 } as const;

/** What a run needs from whatever carries it: a child process of ours, or one of the fork server's. */
export interface RunProcess {
  readonly pid?: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  once(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'exit', listener: (exitCode: number | null, signal: NodeJS.Signals | null) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** One run as the fork server takes it; limits in the units of setrlimit. */
export interface WarmOrder {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: {
    readonly open_files: number;
    readonly file_bytes: number;
    readonly cpu_s: number;
    readonly data_bytes: number;
    readonly tasks: number;
  };
}

/** Starts runs in children of a process that has imported the usual packages. */
export interface ForkServer {
  /** Null when no server could be started: then a cold start is the way. */
  start(order: WarmOrder): Promise<RunProcess | null>;
  /** No further run uses the server as it is: one of its runs was killed. */
  retire(): void;
  close(): Promise<void>;
}

/** Servers by number of threads, each started when it is first needed: a numerical library reads that number once, when it is loaded. */
export function createForkServer(python: string, environmentOf: (threads: string) => Readonly<Record<string, string>>): ForkServer {
  const living = new Set<ServerProcess>();
  const current = new Map<string, Promise<ServerProcess | null>>();
  const open = async (threads: string): Promise<ServerProcess | null> => {
    const server = new ServerProcess(python, environmentOf(threads));
    living.add(server);
    void server.gone.then(() => living.delete(server));
    return (await server.ready) ? server : null;
  };
  const find = async (threads: string): Promise<ServerProcess | null> => {
    const known = await current.get(threads);
    if (known !== undefined && known !== null && known.takesRuns()) return known;
    known?.finish();
    const opened = open(threads);
    current.set(threads, opened);
    return opened;
  };
  return {
    async start(order) {
      const server = await find(order.environment['OMP_NUM_THREADS'] ?? '1');
      return server === null ? null : server.start(order);
    },
    retire() {
      for (const server of living) server.finish();
    },
    async close() {
      for (const server of living) server.end();
      // Nothing else may be left to wait for.
      const hold = setInterval(() => undefined, HOLD_MS);
      await Promise.all([...living].map(async (server) => server.gone));
      clearInterval(hold);
    },
  };
}

class WarmProcess extends EventEmitter implements RunProcess {
  pid: number | undefined;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();

  end(exitCode: number | null, signal: NodeJS.Signals | null): void {
    this.emit('exit', exitCode, signal);
    this.stdout.end();
    this.stderr.end();
    setImmediate(() => this.emit('close'));
  }
}

class ServerProcess {
  /** Whether it says that it has imported everything. */
  readonly ready: Promise<boolean>;
  readonly gone: Promise<void>;
  readonly #child: ChildProcess;
  readonly #runs = new Map<number, WarmProcess>();
  #begun = new Map<number, () => void>();
  #data: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  #count = 0;
  #finishing = false;
  #onReady: () => void = () => undefined;

  constructor(python: string, environment: Readonly<Record<string, string>>) {
    this.#child = spawn(python, ['-I', SCRIPT], { env: { ...environment }, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stdout?.on('data', (data: Buffer) => this.#take(data));
    this.gone = new Promise((resolve) => {
      const end = (): void => {
        this.#finishing = true;
        for (const run of this.#runs.values()) run.end(null, 'SIGKILL');
        this.#runs.clear();
        for (const begun of this.#begun.values()) begun();
        resolve();
      };
      this.#child.once('error', end);
      this.#child.once('close', end);
    });
    this.ready = new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), START_TIMEOUT_MS);
      const settle = (isReady: boolean): void => {
        clearTimeout(timer);
        resolve(isReady);
      };
      this.#onReady = () => settle(true);
      void this.gone.then(() => settle(false));
    });
    // It ends when our end of its input does, so it keeps nobody alive.
    this.#child.unref();
    for (const stream of [this.#child.stdin, this.#child.stdout]) if (stream instanceof Socket) stream.unref();
  }

  takesRuns(): boolean {
    return !this.#finishing && this.#count < MOST_RUNS;
  }

  async start(order: WarmOrder): Promise<RunProcess | null> {
    this.#count += 1;
    const number = this.#count;
    const run = new WarmProcess();
    this.#runs.set(number, run);
    const begun = new Promise<void>((resolve) => this.#begun.set(number, resolve));
    const hold = setInterval(() => undefined, HOLD_MS);
    run.once('exit', () => clearInterval(hold));
    this.#child.stdin?.write(`${JSON.stringify({ run: number, ...order })}\n`);
    await begun;
    if (run.pid !== undefined) return run;
    clearInterval(hold);
    return null;
  }

  /** Ends once its last run has. */
  finish(): void {
    this.#finishing = true;
    if (this.#runs.size === 0) this.end();
  }

  end(): void {
    this.#finishing = true;
    this.#child.stdin?.end();
  }

  #take(data: Buffer): void {
    this.#data = this.#data.length === 0 ? data : Buffer.concat([this.#data, data]);
    while (this.#data.length >= HEAD_BYTES) {
      const length = this.#data.readUInt32BE(5);
      if (this.#data.length < HEAD_BYTES + length) return;
      this.#handle(this.#data.readUInt32BE(0), this.#data.readUInt8(4), this.#data.subarray(HEAD_BYTES, HEAD_BYTES + length));
      this.#data = this.#data.subarray(HEAD_BYTES + length);
    }
  }

  #handle(number: number, kind: number, data: Buffer): void {
    if (kind === KIND.ready) return this.#onReady();
    const run = this.#runs.get(number);
    if (run === undefined) return;
    if (kind === KIND.out) run.stdout.write(Buffer.from(data));
    else if (kind === KIND.err) run.stderr.write(Buffer.from(data));
    else if (kind === KIND.begun) {
      run.pid = Number(data.toString());
      this.#begun.get(number)?.();
      this.#begun.delete(number);
    } else if (kind === KIND.ended) {
      this.#runs.delete(number);
      const { exitCode, signal } = readStatus(Number(data.toString()));
      // Begin and end may come at once: whoever asked for the run must have had time to listen.
      setImmediate(() => run.end(exitCode, signal));
      if (this.#finishing && this.#runs.size === 0) this.end();
    }
  }
}

/** A wait status as Node tells it. */
function readStatus(status: number): { readonly exitCode: number | null; readonly signal: NodeJS.Signals | null } {
  const number = status & 0x7f;
  if (number === 0) return { exitCode: (status >> 8) & 0xff, signal: null };
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return { exitCode: null, signal: (found?.[0] ?? 'SIGKILL') as NodeJS.Signals };
}
