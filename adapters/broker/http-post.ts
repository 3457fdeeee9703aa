import { Agent, request as requestHttp } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as SecureAgent, request as requestHttps } from 'node:https';
import { urlToHttpOptions } from 'node:url';

// Not fetch: that costs three times the processor time of a small message, and every job is several of them.
const AGENTS = { 'http:': new Agent({ keepAlive: true }), 'https:': new SecureAgent({ keepAlive: true }) };

interface Target {
  readonly url: string;
  readonly isSecure: boolean;
  readonly address: RequestOptions;
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
 * error. A connection that the server closed just when it was to be used again is replaced once.
 */
export async function postMessage(params: PostParams): Promise<PostAnswer> {
  try {
    return await postOnce(params);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
  }
  return postOnce(params);
}

/** The kept connection was closed before anything of an answer came. */
class StaleConnection extends Error {
  override name = 'StaleConnection' as const;
}

function postOnce({ url, headers, body, maxAnswerBytes, signal }: PostParams): Promise<PostAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<PostAnswer>();
  const { isSecure, address } = readTarget(url);
  const request = (isSecure ? requestHttps : requestHttp)({
    ...address,
    method: 'POST',
    agent: AGENTS[isSecure ? 'https:' : 'http:'],
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    signal,
  });
  const fail = (error: Error) => {
    if (signal.aborted) reject(signal.reason);
    else if (request.reusedSocket && 'code' in error && error.code === 'ECONNRESET') reject(new StaleConnection());
    else reject(error);
  };
  request.once('error', fail);
  request.once('response', (response) => {
    const { statusCode: status = 0, headers: answerHeaders } = response;
    readText(response, maxAnswerBytes).then(
      (text) => resolve({ status, headers: answerHeaders, body: text }),
      (error: unknown) => reject(signal.aborted ? signal.reason : error),
    );
  });
  request.end(body);
  return promise;
}

/** Where a URL leads, in the form that Node wants; most processes post to one, and parsing it for each message is not free. */
function readTarget(url: string): Target {
  if (lastTarget?.url === url) return lastTarget;
  const parsed = new URL(url);
  lastTarget = { url, isSecure: parsed.protocol === 'https:', address: urlToHttpOptions(parsed) };
  return lastTarget;
}

/** The first `maxBytes` of a body as text; the connection is cut when there are more. */
function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const finish = () => resolve(Buffer.concat(chunks).subarray(0, maxBytes).toString());
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < maxBytes) return;
    finish();
    response.destroy();
  });
  response.once('end', finish);
  response.once('error', reject);
  response.once('close', () => reject(new Error('the answer broke off')));
  return promise;
}

/** Why there was no answer, in a few words. */
export function describePostError(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message.slice(0, 120);
}
