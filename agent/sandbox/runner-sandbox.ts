import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunnerReply as Reply, RunOrder } from '../runner/protocol.ts';
import type { RunOutcome, Sandbox, SolutionRun } from './sandbox.ts';
import { cleanTail } from './clean-tail.ts';
import { MAX_REPLY_BYTES, RunnerReply } from '../runner/protocol.ts';
import { readMessages, writeMessage } from '../runner/lines.ts';

const APPEAR_TIMEOUT_MS = 60_000;
const RETRY_MS = 100;
const HELLO_TIMEOUT_MS = 30_000;
/** What the runner may take longer than the run's own limit: its grace, and the files' closing. */
const SLACK_MS = 30_000;
/** As much output as the runner itself passes on, and some. */
const MAX_OUTPUT_CHARS = 512 * 1024;

export interface RunnerSandboxOptions {
  readonly socketPath: string;
  /** How long the runner may take to appear, at the start and before each run; 60 s unless told. */
  readonly appearTimeoutMs?: number;
  /** One line for the log. */
  readonly onNote?: (line: string) => void;
}

/**
 * Runs in the runner container, over its unix socket, one connection a run. Waits for the runner first; throws an Error that says what is
 * missing. A runner that dies in the middle of a run is that run's outcome `killed`; the next run waits for the new one.
 */
export async function createRunnerSandbox(options: RunnerSandboxOptions): Promise<Sandbox> {
  const first = await openConnection(options);
  first.socket.destroy();
  const { confined, problems, layers, generatedCode } = first.hello;
  if (problems.length > 0) options.onNote?.(`the runner does not confine fully: ${problems.join('; ')}`);
  return {
    tier: confined ? 'isolated' : 'process',
    layers: ['runner container', ...layers],
    // A container with a network is no place for it, whatever the self-test of its runs found.
    generatedCode: confined || !generatedCode.accepted ? generatedCode : { accepted: false, reason: problems.join('; ') },
    run: async (order) => runRemotely(options, order),
  };
}

type Hello = Extract<Reply, { type: 'hello' }>;

interface Connection {
  readonly socket: Socket;
  readonly hello: Hello;
  /** What comes after the greeting; a null is the end, a string the fault that ends it. */
  listen(onReply: (reply: Reply | string | null) => void): void;
}

async function openConnection(options: RunnerSandboxOptions, signal?: AbortSignal): Promise<Connection> {
  const timeoutMs = options.appearTimeoutMs ?? APPEAR_TIMEOUT_MS;
  const untilMs = performance.now() + timeoutMs;
  for (;;) {
    const tried = await tryConnection(options.socketPath, Math.max(1, Math.min(HELLO_TIMEOUT_MS, untilMs - performance.now())));
    if (typeof tried !== 'string') return tried;
    signal?.throwIfAborted();
    if (performance.now() >= untilMs) {
      const seconds = Math.round(timeoutMs / 1000);
      throw new Error(
        `The runner container did not answer on ${options.socketPath} within ${seconds} s (${tried}): see its log (kubectl logs -c runner) and its memory limit.`,
      );
    }
    await delay(RETRY_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/** A greeted connection, or why not. */
async function tryConnection(path: string, timeoutMs: number): Promise<Connection | string> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let listener: ((reply: Reply | string | null) => void) | null = null;
    const early: (Reply | string | null)[] = [];
    let greeted = false;
    const pass = (reply: Reply | string | null): void => {
      if (listener === null) early.push(reply);
      else listener(reply);
    };
    const fail = (why: string): void => {
      clearTimeout(timer);
      if (greeted) return pass(why);
      socket.destroy();
      resolve(why);
    };
    const timer = setTimeout(() => fail('it does not greet'), timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    socket.on('close', () => (greeted ? pass(null) : fail('it closed the connection')));
    readMessages(socket, {
      schema: RunnerReply,
      maxBytes: MAX_REPLY_BYTES,
      onFault: fail,
      onMessage(reply) {
        if (greeted) return pass(reply);
        if (reply.type !== 'hello') return fail(reply.type === 'refused' ? reply.reason : 'its greeting is missing');
        greeted = true;
        clearTimeout(timer);
        const listen: Connection['listen'] = (onReply) => {
          listener = onReply;
          for (const message of early.splice(0)) onReply(message);
        };
        resolve({ socket, hello: reply, listen });
      },
    });
  });
}

async function runRemotely(options: RunnerSandboxOptions, order: SolutionRun): Promise<RunOutcome> {
  const stopped: RunOutcome = { exitClass: 'stopped', exitCode: null, seconds: 0, peakMemoryMib: 0, tail: '', frame: null };
  if (order.signal.aborted) return stopped;
  const startMs = performance.now();
  let connection: Connection;
  try {
    connection = await openConnection(options, order.signal);
  } catch (error) {
    if (order.signal.aborted) return stopped;
    throw error;
  }
  try {
    return await exchange(connection, order, startMs);
  } finally {
    connection.socket.destroy();
  }
}

async function exchange({ socket, listen }: Connection, run: SolutionRun, startMs: number): Promise<RunOutcome> {
  return new Promise((resolve, reject) => {
    let tail = '';
    let chars = 0;
    const end = (exitClass: 'killed' | 'timeout' | 'stopped', why: string): void => {
      const seconds = (performance.now() - startMs) / 1000;
      settle(() => resolve({ exitClass, exitCode: null, seconds, peakMemoryMib: 0, tail: cleanTail(`${tail}\n${why}`), frame: null }));
    };
    const settle = (done: () => void): void => {
      clearTimeout(timer);
      run.signal.removeEventListener('abort', onAbort);
      done();
    };
    const onAbort = (): void => {
      writeMessage(socket, { type: 'stop' });
      // Closing says the same: the runner need not answer.
      end('stopped', '');
    };
    const timer = setTimeout(() => end('timeout', 'the runner did not answer in time'), run.timeoutMs + SLACK_MS);
    run.signal.addEventListener('abort', onAbort, { once: true });
    listen((reply) => {
      if (reply === null || typeof reply === 'string') {
        end(
          'killed',
          `the runner container ended in the middle of the run${reply === null ? '' : ` (${reply})`}: it may have run out of memory`,
        );
      } else if (reply.type === 'output') {
        tail = (tail + reply.chunk).slice(-4_000);
        chars += reply.chunk.length;
        if (chars <= MAX_OUTPUT_CHARS) run.onOutput(reply.chunk);
      } else if (reply.type === 'outcome') {
        settle(() => resolve(reply.outcome));
      } else if (reply.type === 'refused') {
        settle(() => reject(new Error(`The runner refused the run: ${reply.reason}`)));
      }
    });
    writeMessage(socket, { type: 'run', order: selectOrder(run) });
  });
}

function selectOrder(run: SolutionRun): RunOrder {
  const {
    program,
    trainDir,
    predictDir,
    outDir,
    scratchDir,
    paramsFile,
    answers,
    seed,
    threads,
    timeoutMs,
    memoryMib,
    coldStart = false,
  } = run;
  return {
    program,
    trainDir,
    predictDir,
    outDir,
    scratchDir,
    paramsFile,
    answers: [...answers],
    seed,
    threads,
    timeoutMs,
    memoryMib,
    coldStart,
  };
}
