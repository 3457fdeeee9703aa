import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer } from 'node:http';
import type { Express } from 'express';
import type { Lifecycle } from './lifecycle.ts';
import type { Logger } from '#core/ports.ts';
import { waitMs } from './lifecycle.ts';

export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly lifecycle: Lifecycle;
  readonly logger: Logger;
  /** How long a graceful stop may take before what is left is cut off. */
  readonly graceMs: number;
  /** Closed last, in this order: pools, watchers. */
  readonly close: readonly (() => Promise<void>)[];
}

export interface Serving {
  readonly url: string;
  readonly port: number;
  /** Stops in stages; true when everything ended by itself within the grace. Calling it again waits for the same stop. */
  stop(): Promise<boolean>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Listens, with timeouts against slow clients. Rejects when the port can't be had. */
export async function serve(app: Express, options: ServeOptions): Promise<Serving> {
  const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 60_000, headersTimeout: 15_000, keepAliveTimeout: 100_000 }, app);
  server.on('clientError', answerBrokenRequest);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const port = readPort(server.address());
  let stopping: Promise<boolean> | null = null;
  const stop = () => (stopping ??= stopInStages(server, options));
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    port,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

function readPort(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address');
  return address.port;
}

/** Stop accepting, let requests finish, wait for untold work (relays), close pools, then cut off what is left. */
async function stopInStages(server: ReturnType<typeof createServer>, options: ServeOptions): Promise<boolean> {
  const stopAt = performance.now() + options.graceMs;
  const leftMs = () => Math.max(0, stopAt - performance.now());
  options.lifecycle.beginDrain();
  const closed = new Promise<boolean>((resolve) => server.close(() => resolve(true)));
  server.closeIdleConnections();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  let clean = await Promise.race([closed, waitMs(leftMs()).then(() => false)]);
  clearInterval(idle);
  if (!clean) server.closeAllConnections();
  clean = (await options.lifecycle.settle(Math.max(leftMs(), 250))) && clean;
  for (const close of options.close) {
    try {
      await close();
    } catch (error) {
      clean = false;
      options.logger.error({ error: error instanceof Error ? error.message : String(error) }, 'closing failed');
    }
  }
  return clean;
}

const BROKEN: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large', 'The headers of the request are too large.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'The request was not sent in time.'],
};

/** What the HTTP parser refuses never reaches the app: it is answered here in the same form. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const [status, title, detail] = BROKEN[error.code ?? ''] ?? [400, 'Bad Request', 'This is not a valid HTTP request.'];
  const code = status === 400 ? 'invalid-body' : 'body-too-large';
  const body = JSON.stringify({
    type: `/docs/errors#${code}`,
    title,
    status,
    detail,
    code,
    retryable: status === 408,
    request_id: '',
    errors: [],
  });
  const head = `HTTP/1.1 ${status} ${title}\r\ncontent-type: application/problem+json; charset=utf-8\r\nconnection: close\r\n`;
  socket.end(`${head}x-content-type-options: nosniff\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/**
 * For `main.ts`: stops on SIGTERM or SIGINT and ends the process with the truth (0 = everything finished, 1 = something was cut off). A second
 * signal ends it at once.
 */
export function stopOnSignals(serving: Serving, logger: Logger): void {
  let asked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (asked) process.exit(signal === 'SIGINT' ? 130 : 143);
    asked = true;
    logger.info({ signal }, 'stopping');
    void serving.stop().then((clean) => {
      logger.info({ clean }, 'stopped');
      process.exit(clean ? 0 : 1);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
