import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { AllowedPlaces } from './check-order.ts';
import type { RunOrder } from './protocol.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { checkOrder } from './check-order.ts';
import { MAX_CHUNK_CHARS, MAX_REQUEST_BYTES, RUNNER_PROTOCOL, RunnerRequest } from './protocol.ts';
import { readMessages, writeMessage } from './lines.ts';

/** More than this many connections at a time are refused. */
const MAX_CONNECTIONS = 64;

export interface RunnerServerOptions {
  readonly socketPath: string;
  readonly sandbox: Sandbox;
  readonly places: AllowedPlaces;
  /** What the greeting says. */
  readonly confined: boolean;
  readonly problems: readonly string[];
  readonly log: (line: string) => void;
}

/** A listening runner. `endRuns` ends every run at once, without waiting. */
export interface RunnerServer {
  endRuns(): void;
  close(): Promise<void>;
}

/** Listens on the unix socket (a stale one is removed), for this user and group only. Throws when it cannot. */
export async function startRunnerServer(options: RunnerServerOptions): Promise<RunnerServer> {
  const stops = new Set<AbortController>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket, options, stops);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await rm(options.socketPath, { force: true });
  // Made without rights for others, not given them and then deprived.
  const before = process.umask(0o117);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.socketPath, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
  } finally {
    process.umask(before);
  }
  await chmod(options.socketPath, 0o660);
  const endRuns = (): void => {
    for (const stop of stops) stop.abort();
  };
  return {
    endRuns,
    async close() {
      endRuns();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

/** One connection: a greeting, one run, its outcome. Its end ends the run. */
function serve(socket: Socket, options: RunnerServerOptions, stops: Set<AbortController>): void {
  const stop = new AbortController();
  let started = false;
  const refuse = (reason: string): void => {
    stop.abort();
    options.log(`refused: ${reason}`);
    writeMessage(socket, { type: 'refused', reason: reason.slice(0, 1_000) });
    socket.end();
  };
  socket.on('close', () => stop.abort());
  socket.on('end', () => stop.abort());
  readMessages(socket, {
    schema: RunnerRequest,
    maxBytes: MAX_REQUEST_BYTES,
    onFault: refuse,
    onMessage(message) {
      if (message.type === 'stop') return stop.abort();
      if (started) return refuse('a connection is for one run');
      started = true;
      stops.add(stop);
      runOrder(socket, options, message.order, stop.signal)
        .catch((error: unknown) => refuse(error instanceof Error ? error.message : String(error)))
        .finally(() => stops.delete(stop));
    },
  });
  const { confined, problems, sandbox } = options;
  writeMessage(socket, {
    type: 'hello',
    protocol: RUNNER_PROTOCOL,
    confined,
    problems: problems.map((line) => line.slice(0, 500)).slice(0, 20),
    layers: [...sandbox.layers],
    generatedCode: sandbox.generatedCode,
  });
}

async function runOrder(socket: Socket, options: RunnerServerOptions, asked: RunOrder, signal: AbortSignal): Promise<void> {
  const order = await checkOrder(asked, options.places);
  const outcome = await options.sandbox.run({
    ...order,
    signal,
    onOutput(chunk) {
      for (let at = 0; at < chunk.length; at += MAX_CHUNK_CHARS) {
        writeMessage(socket, { type: 'output', chunk: chunk.slice(at, at + MAX_CHUNK_CHARS) });
      }
    },
  });
  options.log(`${order.program}: ${outcome.exitClass} after ${outcome.seconds.toFixed(1)} s, ${outcome.peakMemoryMib} MiB`);
  writeMessage(socket, { type: 'outcome', outcome });
  socket.end();
}
