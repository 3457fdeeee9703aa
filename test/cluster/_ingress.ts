import { createServer, request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { requireSetting } from './_harness.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Call {
  /** Where to connect: the cluster's ingress or broker as this machine reaches it. */
  readonly to: string;
  /** The public address that is meant: its host names the service. */
  readonly address: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const TIMEOUT_MS = 120_000;

/** One request that reaches a service by its Host, whatever this machine's names resolve to. Rejects after two minutes. */
export function callIngress(call: Omit<Call, 'to'>): Promise<Answer> {
  return callThrough({ ...call, to: requireSetting('KAGGLE_AGENT_TEST_INGRESS_URL') });
}

/** Posts to a broker of namespace `plane`. */
export function postToBroker(
  name: string,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string },
): Promise<Answer> {
  const to = requireSetting('KAGGLE_AGENT_TEST_BROKER_URL');
  return callThrough({ to, address: to, method: 'POST', path: `/plane/${name}`, ...message });
}

/** One request to `to`, under the Host of `address`. */
export function callThrough({ to, address, method = 'GET', path, headers = {}, body = '' }: Call): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    new URL(path, to),
    {
      method,
      headers: { ...headers, host: new URL(address).host, ...(body !== '' && { 'content-length': Buffer.byteLength(body) }) },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    },
  );
  sent.once('error', reject);
  sent.end(body);
  return promise;
}

/** A service's address under a name that every program here can resolve: passes each request on to the ingress, under the service's Host. */
export async function openDoor(address: string): Promise<{ readonly url: string; close(): void }> {
  const target = new URL(requireSetting('KAGGLE_AGENT_TEST_INGRESS_URL'));
  const { host } = new URL(address);
  const server = createServer((incoming, outgoing) => {
    const { method, url: path = '/', headers } = incoming;
    const passed = request(new URL(path, target), { method, headers: { ...headers, host } }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.once('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => void (server.closeAllConnections(), server.close()) };
}
