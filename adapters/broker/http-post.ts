import type { IncomingHttpHeaders } from 'node:http';
import { Agent, errors } from 'undici';
import type { Dispatcher } from 'undici';

// Not fetch: that costs three times the processor time of a small message, and every job is several of them. The signal is the only timeout.
const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

interface Target {
  readonly url: string;
  readonly origin: string;
  readonly path: string;
}
let lastTarget: Target | null = null;

export interface PostParams {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Of the answer's body; the rest is not read. */
  readonly maxAnswerBytes: number;
  readonly signal: AbortSignal;
}

export interface PostAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Posts one message on a connection kept open, and reads the answer; redirects are not followed. Throws the signal's reason, or the system's
 * error. A connection that the server closed just when it was to be used again is replaced once: the server may see the message twice.
 */
export async function postMessage(params: PostParams): Promise<PostAnswer> {
  const { maxAnswerBytes, signal } = params;
  try {
    const { statusCode: status, headers, body } = await postOnce(params);
    return { status, headers, body: await readText(body, maxAnswerBytes) };
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

async function postOnce({ url, headers, body, signal }: PostParams): Promise<Dispatcher.ResponseData> {
  const { origin, path } = readTarget(url);
  const post = { origin, path, method: 'POST', headers, body, signal } as const;
  try {
    return await agent.request(post);
  } catch (error) {
    if (!isStale(error) || signal.aborted) throw error;
  }
  return agent.request(post);
}

/** True when the connection may have served before, and was closed before an answer came. A reset does not tell whether it had. */
function isStale(error: unknown): boolean {
  if (error instanceof errors.SocketError) return (error.socket?.bytesRead ?? 0) > 0;
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
}

/** Where a URL leads; most processes post to one, and parsing it for each message is not free. */
function readTarget(url: string): Target {
  if (lastTarget?.url === url) return lastTarget;
  const { origin, pathname, search } = new URL(url);
  lastTarget = { url, origin, path: `${pathname}${search}` };
  return lastTarget;
}

/** The first `maxBytes` of a body as text; the connection is cut when there are more. */
async function readText(body: Dispatcher.ResponseData['body'], maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    if (!Buffer.isBuffer(chunk)) break;
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString();
}

/** Why there was no answer, in a few words. */
export function describePostError(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message.slice(0, 120);
}
