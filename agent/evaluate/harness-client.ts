import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HarnessFailure } from '../harness-port.ts';
import type { HarnessParams, HarnessPort, HarnessResult } from '../harness-port.ts';
import { describeIssues } from './describe-issues.ts';
import { HARNESS_METHODS, HarnessReply } from './harness-protocol.ts';
import type { HarnessMethod } from './harness-protocol.ts';

const HARNESS_SCRIPT = fileURLToPath(new URL('../python/harness.py', import.meta.url));
const DEFAULT_TIMEOUT_MS = 600_000;
const GRACE_MS = 2_000;
const STDERR_TAIL_CHARACTERS = 8_000;
const LOG_LINE_CHARACTERS = 2_000;
const LOG_LINES_MAX = 2_000;
const ALLOWED_VARIABLES = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'HOME', 'SYSTEMROOT'] as const;

/** `bad-input` = the competition's files (final), `refused` = the request, `bug` = ours, `died`/`timeout` = the process is gone. */
export type HarnessErrorCode = 'bad-input' | 'refused' | 'bug' | 'died' | 'timeout';

/** A failed call of the harness; `message` is one line for people. `code` tells a death from a time-out, which `kind` does not. */
export class HarnessError extends HarnessFailure {
  readonly code: HarnessErrorCode;
  readonly method: string;

  constructor(code: HarnessErrorCode, method: string, message: string) {
    super(code === 'timeout' ? 'died' : code, message);
    this.code = code;
    this.method = method;
  }
}

export interface HarnessOptions {
  /** The Python interpreter of the product's own environment. */
  python: string;
  /** Limit of numerical threads. */
  threads: number;
  /** Variables the caller lets through; only an allow-list of names is passed on. */
  env?: Readonly<Record<string, string | undefined>>;
  /** One line of the harness's stderr, cut at 2,000 characters. */
  onLog?: (line: string) => void;
  /** Aborting kills the process; pending calls reject. */
  signal?: AbortSignal;
  /** Default limit of one call, in milliseconds. */
  timeoutMs?: number;
}

export interface CallOptions {
  timeoutMs?: number;
}

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : S;

/** One method a protocol entry (`grade_fold` → `gradeFold`). Calls run in order; replies are parsed by their schema. */
export type HarnessCalls = {
  [M in HarnessMethod as CamelCase<M>]: (params: HarnessParams<M>, options?: CallOptions) => Promise<HarnessResult<M>>;
};

/** A running harness. Rejects with HarnessError; after `died` or `timeout` every further call rejects. */
export interface Harness extends HarnessCalls, HarnessPort, AsyncDisposable {
  readonly pid: number;
  /** Calls a method by its protocol name. */
  call<M extends HarnessMethod>(method: M, params: HarnessParams<M>, options?: CallOptions): Promise<HarnessResult<M>>;
  /** Ends the process group: stdin closed, then TERM, then KILL. Resolves when the process is gone. */
  close(): Promise<void>;
}

interface Pending {
  method: HarnessMethod;
  settle: (reply: { result: unknown } | { error: HarnessError }) => void;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** Environment of the harness: an allow-list of names, thread limits, and no bytecode written. */
export function harnessEnvironment(env: Readonly<Record<string, string | undefined>>, threads: number): Record<string, string> {
  const passed: Record<string, string> = { LANG: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1' };
  for (const name of ALLOWED_VARIABLES) {
    const value = env[name];
    if (value !== undefined) passed[name] = value;
  }
  for (const name of ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'ARROW_NUM_THREADS', 'NUMEXPR_NUM_THREADS']) {
    passed[name] = String(threads);
  }
  return passed;
}

/** Starts the trusted harness process in a process group of its own. A start that fails shows at the first call. */
export function startHarness(options: HarnessOptions): Harness {
  const child: Child = spawn(options.python, ['-I', HARNESS_SCRIPT], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: harnessEnvironment(options.env ?? {}, options.threads),
    detached: true,
  });
  return new HarnessProcess(child, options).asHarness();
}

class HarnessProcess {
  readonly #child: Child;
  readonly #options: HarnessOptions;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  #ended: HarnessError | null = null;
  #stderrTail = '';
  #closing = false;

  constructor(child: Child, options: HarnessOptions) {
    this.#child = child;
    this.#options = options;
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#end('died', `the harness could not start: ${error.message}; is ${options.python} there? Run the set-up.`);
        resolve();
      });
      child.once('close', (code, signal) => {
        this.#end('died', this.#describeExit(code, signal));
        resolve();
      });
    });
    child.stdin.on('error', () => undefined); // the exit is reported by 'close'
    createInterface({ input: child.stdout }).on('line', (line) => this.#onReply(line));
    this.#readLog(child.stderr);
    const onAbort = () => void this.close();
    if (options.signal?.aborted) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    void this.#exited.then(() => options.signal?.removeEventListener('abort', onAbort));
  }

  asHarness(): Harness {
    const calls: Record<string, unknown> = {};
    for (const method of Object.keys(HARNESS_METHODS)) {
      if (!isMethod(method)) continue;
      const name = method.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
      calls[name] = (params: HarnessParams<typeof method>, options?: CallOptions) => this.call(method, params, options);
    }
    const close = () => this.close();
    const base = { pid: this.#child.pid ?? -1, call: this.call.bind(this), close, [Symbol.asyncDispose]: close };
    return Object.assign(base, calls as unknown as HarnessCalls); // built from the same table as the type
  }

  async call<M extends HarnessMethod>(method: M, params: HarnessParams<M>, options: CallOptions = {}): Promise<HarnessResult<M>> {
    if (this.#ended) throw new HarnessError(this.#ended.code, method, this.#ended.message);
    const schema = HARNESS_METHODS[method];
    const given = schema.params.safeParse(params);
    if (!given.success) throw new HarnessError('refused', method, `${method}: ${describeIssues(given.error)}`);
    const id = this.#nextId++;
    const reply = await this.#exchange(id, method, given.data, options.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const result = schema.result.safeParse(reply);
    if (!result.success) throw new HarnessError('bug', method, `${method} gave an unexpected reply: ${describeIssues(result.error)}`);
    return result.data as HarnessResult<M>; // parsed by this method's own schema, which TypeScript cannot follow through the union
  }

  #exchange(id: number, method: HarnessMethod, params: unknown, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#end('timeout', `${method} took longer than ${Math.round(timeoutMs / 1000)} s; the harness was stopped`);
        void this.close();
      }, timeoutMs);
      const settle: Pending['settle'] = (reply) => {
        clearTimeout(timer);
        this.#pending.delete(id);
        if ('error' in reply) reject(reply.error);
        else resolve(reply.result);
      };
      this.#pending.set(id, { method, settle });
      this.#child.stdin.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  #onReply(line: string): void {
    const parsed = HarnessReply.safeParse(parseJson(line));
    if (!parsed.success) return this.#log(`unreadable reply: ${line.slice(0, 200)}`);
    const pending = this.#pending.get(parsed.data.id);
    if (!pending) return this.#log(`reply to an unknown request ${parsed.data.id}`);
    if ('error' in parsed.data) {
      const { code, message } = parsed.data.error;
      pending.settle({ error: new HarnessError(code, pending.method, message) });
    } else {
      pending.settle({ result: parsed.data.result });
    }
  }

  #readLog(stderr: Readable): void {
    let lines = 0;
    stderr.setEncoding('utf8');
    let rest = '';
    stderr.on('data', (chunk: string) => {
      this.#stderrTail = (this.#stderrTail + chunk).slice(-STDERR_TAIL_CHARACTERS);
      const parts = (rest + chunk).split('\n');
      rest = (parts.pop() ?? '').slice(-LOG_LINE_CHARACTERS);
      for (const line of parts) {
        lines += 1;
        if (lines <= LOG_LINES_MAX) this.#log(line);
        else if (lines === LOG_LINES_MAX + 1) this.#log('further lines of the harness are left out');
      }
    });
  }

  #log(line: string): void {
    this.#options.onLog?.(line.slice(0, LOG_LINE_CHARACTERS));
  }

  #describeExit(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.#closing) return 'the harness is closed';
    const how = signal ? `was killed by ${signal}` : `ended with code ${code ?? 'unknown'}`;
    const last = this.#stderrTail.trim().split('\n').at(-1)?.slice(0, 300);
    return `the harness ${how}${last ? `: ${last}` : ''}`;
  }

  /** Rejects everything that waits, once; later calls get the same error. */
  #end(code: 'died' | 'timeout', message: string): void {
    this.#ended ??= new HarnessError(code, '', message);
    const { code: first, message: text } = this.#ended;
    for (const pending of this.#pending.values()) pending.settle({ error: new HarnessError(first, pending.method, text) });
  }

  async close(): Promise<void> {
    this.#closing = true;
    const busy = this.#pending.size > 0;
    this.#end('died', 'the harness is closed');
    this.#child.stdin.end();
    if (busy) this.#killGroup('SIGTERM');
    const timer = setTimeout(() => this.#killGroup('SIGKILL'), GRACE_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  #killGroup(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      this.#child.kill(signal); // the group is gone, or was never made
    }
  }
}

function isMethod(name: string): name is HarnessMethod {
  return Object.hasOwn(HARNESS_METHODS, name);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
