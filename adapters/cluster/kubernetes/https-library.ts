import { request as requestHttp } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { RequestOptions } from 'node:https';
import { ResponseContext } from '@kubernetes/client-node';
import type { PromiseHttpLibrary, RequestContext } from '@kubernetes/client-node';

const MAX_ANSWER_BYTES = 64 * 2 ** 20;

/** No answer within its time: the connection may be half open. */
export class ApiTimeout extends Error {
  override name = 'ApiTimeout' as const;
}

/**
 * How the client's requests travel: HTTP/1.1 over the given agent's kept connections, each call with one deadline for connecting, sending and the
 * whole answer. The package's own transport makes a new connection for each call, and has no deadline.
 */
export function createHttpsLibrary(params: { readonly timeoutMs: number; readonly agent: RequestOptions['agent'] }): PromiseHttpLibrary {
  return {
    send: async (context) => {
      try {
        return await sendOnce(context, params);
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error;
      }
      // Every call of ours may be repeated; nothing of an answer had come.
      return sendOnce(context, params);
    },
  };
}

/** The server closed a kept connection just when it was to be used again. */
class StaleConnection extends Error {
  override name = 'StaleConnection' as const;
}

function sendOnce(
  context: RequestContext,
  params: { readonly timeoutMs: number; readonly agent: RequestOptions['agent'] },
): Promise<ResponseContext> {
  const { promise, resolve, reject } = Promise.withResolvers<ResponseContext>();
  const body = context.getBody();
  if (body !== undefined && typeof body !== 'string') throw new TypeError('only text can be sent to the Kubernetes API');
  const target = new URL(context.getUrl());
  const isSecure = target.protocol === 'https:';
  const request: ClientRequest = (isSecure ? requestHttps : requestHttp)(target, {
    method: context.getHttpMethod().toString(),
    headers: { ...context.getHeaders(), ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
    agent: params.agent,
  });
  const timer = setTimeout(
    () => request.destroy(new ApiTimeout(`no answer from the Kubernetes API within ${params.timeoutMs} ms`)),
    params.timeoutMs,
  );
  let answered = false;
  const fail = (error: Error) => {
    clearTimeout(timer);
    const isStale = !answered && request.reusedSocket && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
    reject(isStale ? new StaleConnection() : error);
  };
  request.once('error', fail);
  request.once('response', (response) => {
    answered = true;
    readText(response).then((text) => {
      clearTimeout(timer);
      resolve(new ResponseContext(response.statusCode ?? 0, flattenHeaders(response), toBody(text)));
    }, fail);
  });
  request.end(body);
  return promise;
}

function readText(response: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error(`an answer of the Kubernetes API was larger than ${MAX_ANSWER_BYTES} bytes`));
  });
  response.once('end', () => resolve(Buffer.concat(chunks).toString()));
  response.once('error', reject);
  response.once('close', () => reject(new Error('an answer of the Kubernetes API broke off')));
  return promise;
}

function flattenHeaders(response: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return headers;
}

function toBody(text: string): ResponseContext['body'] {
  return { text: () => Promise.resolve(text), binary: () => Promise.resolve(Buffer.from(text)), stream: () => null };
}
