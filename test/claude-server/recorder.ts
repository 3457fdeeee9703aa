import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import type { ServerOwner } from './server.ts';
import type { Recorded } from './recording.ts';
import { scrub } from './recording.ts';

/** Of a request, only these are handed on: the key is, and is kept nowhere. */
const HANDED_ON = ['authorization', 'x-api-key', 'anthropic-version', 'anthropic-beta', 'content-type', 'accept'];

/** A server between a client and the Messages API that keeps what both say. */
export interface Recorder {
  readonly url: string;
  readonly exchanges: readonly Recorded[];
}

/** Starts a recorder on loopback. `upstream`: the API's address. */
export async function startRecorder(owner: Pick<ServerOwner, 'teardown'>, upstream: string): Promise<Recorder> {
  const exchanges: Recorded[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readText(request);
    const path = request.url ?? '/';
    const headers = Object.fromEntries(
      HANDED_ON.flatMap((name) => {
        const value = request.headers[name];
        return typeof value === 'string' ? [[name, value]] : [];
      }),
    );
    const answer = await fetch(`${upstream}${path}`, { method: 'POST', headers, body });
    const text = await answer.text();
    const contentType = answer.headers.get('content-type') ?? 'application/json';
    exchanges.push({ path, request: JSON.parse(scrub(body)), status: answer.status, contentType, response: scrub(text) });
    const retryAfter = answer.headers.get('retry-after');
    response.writeHead(answer.status, { 'content-type': contentType, ...(retryAfter !== null && { 'retry-after': retryAfter }) }).end(text);
  };
  return { url: await serveOnLoopback(owner, handle), exchanges };
}

/**
 * Starts a server that answers as was recorded: a request gets the next recorded answer to the same request. One that was never recorded, or is asked more
 * often, fails the test; so do answers that are left at its end.
 */
export async function startReplay(owner: ServerOwner, exchanges: readonly Recorded[]): Promise<{ readonly url: string }> {
  const left = [...exchanges];
  const unknown: string[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = canonical(JSON.parse(scrub(await readText(request))));
    const at = left.findIndex((each) => each.path === request.url && canonical(each.request) === asked);
    const [found] = at < 0 ? [] : left.splice(at, 1);
    if (found === undefined) {
      unknown.push(`${request.url ?? ''}: ${asked.slice(0, 300)}`);
      return void response
        .writeHead(400, { 'content-type': 'application/json' })
        .end('{"type":"error","error":{"type":"invalid_request_error","message":"not recorded"}}');
    }
    response.writeHead(found.status, { 'content-type': found.contentType }).end(found.response);
  };
  const url = await serveOnLoopback(owner, handle);
  owner.teardown(() => {
    if (unknown.length > 0) throw new Error(`requests that were not recorded: ${unknown.join(' | ')}`);
    if (left.length > 0) throw new Error(`${left.length} recorded answers were not asked for`);
  });
  return { url };
}

async function serveOnLoopback(
  owner: Pick<ServerOwner, 'teardown'>,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<string> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.writeHead(502, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ type: 'error', error: { type: 'api_error', message: String(error) } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  owner.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The same JSON whatever the order of its members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );
}
