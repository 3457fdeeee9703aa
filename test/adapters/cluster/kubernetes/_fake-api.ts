import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openApiClient } from '#adapters/cluster/kubernetes/api-client.ts';
import { AGENT_COMMAND, PodSettings, RUNNER_COMMAND } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { createKubernetesRunner } from '#adapters/cluster/kubernetes/runner.ts';
import type { JobRunner } from '#core/ports.ts';
import { listenForTest } from '#test/_support/listen-for-test.ts';

/** One request, as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string;
  readonly body: unknown;
  readonly authorization: string | undefined;
  /** Number of the connection that it came on. */
  readonly connection: number;
}

/** What the server answers: a status with a body, or nothing at all, for ever. */
export type Reply = { readonly status: number; readonly body?: unknown; readonly headers?: Record<string, string> };
export type Answer = Reply | 'silence' | 'cut';

export interface FakeApi {
  readonly url: string;
  readonly requests: SeenRequest[];
  readonly runner: JobRunner;
}

/** A Kubernetes `Status` of an error. */
export function refusal(code: number, reason: string, message: string, metadata: object = {}): Reply {
  return { status: code, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', metadata, reason, message, code } };
}

export const JOBS = {
  image: 'example.test/agent:1',
  pod: PodSettings.parse({ storageUrl: 'gs://bucket' }),
  agentCommand: AGENT_COMMAND,
  runnerCommand: RUNNER_COMMAND,
};

/** An API server that says what a test tells it to, for faults that a real one does not show on demand, and a runner that talks to it. */
export async function startFakeApi(
  t: ExecutionContext,
  answer: (request: SeenRequest) => Answer,
  options: { readonly timeoutMs?: number; readonly readPods?: boolean } = {},
): Promise<FakeApi> {
  const requests: SeenRequest[] = [];
  const connections = new Map<unknown, number>();
  const server = createServer((request, response) => {
    if (!connections.has(request.socket)) connections.set(request.socket, connections.size);
    void readRequest(request, connections.get(request.socket) ?? -1).then((seen) => {
      requests.push(seen);
      reply(response, answer(seen));
    });
  });
  const url = await listenForTest(t, server);
  const api = await openApiClient({ kubeconfig: await writeKubeconfig(t, url), timeoutMs: options.timeoutMs ?? 5_000 });
  t.teardown(() => api.close());
  const runner = createKubernetesRunner({
    batch: api.batch,
    core: api.core,
    namespace: 'runs',
    jobs: JOBS,
    readPods: options.readPods ?? false,
  });
  return { url, requests, runner };
}

async function writeKubeconfig(t: ExecutionContext, server: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'config');
  const config = {
    clusters: [{ name: 'fake', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'me', user: { token: 'my-token' } }],
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'me' } }],
    'current-context': 'fake',
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

async function readRequest(request: IncomingMessage, connection: number): Promise<SeenRequest> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  const url = new URL(request.url ?? '/', 'http://x');
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    contentType: request.headers['content-type'] ?? '',
    body: text === '' ? null : JSON.parse(text),
    authorization: request.headers.authorization,
    connection,
  };
}

function reply(response: ServerResponse, answer: Answer): void {
  if (answer === 'silence') return;
  if (answer === 'cut') {
    response.socket?.destroy();
    return;
  }
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(JSON.stringify(answer.body ?? {}));
}
