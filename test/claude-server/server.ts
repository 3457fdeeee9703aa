import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { countTokens, createPromptCache } from './cache.ts';
import type { CacheUse, PromptBlock } from './cache.ts';
import { Exchange } from './scenario.ts';
import type { Answer as GivenAnswer, Exchange as GivenExchange } from './scenario.ts';

const KeepFor = z.object({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).default('5m') }).nullish();
const TextBlock = z.object({ type: z.literal('text'), text: z.string(), cache_control: KeepFor });
const Content = z.union([z.string(), z.array(TextBlock)]);
const MessagesRequest = z.object({
  model: z.string(),
  max_tokens: z.int().positive(),
  system: Content.optional(),
  messages: z.array(z.object({ role: z.enum(['user', 'assistant']), content: Content })).min(1),
  tools: z.array(z.unknown()).optional(),
  stream: z.boolean().optional(),
  thinking: z.unknown().optional(),
  output_config: z.looseObject({ format: z.object({ type: z.literal('json_schema'), schema: z.unknown() }).nullish() }).optional(),
});
export type MessagesRequest = z.infer<typeof MessagesRequest>;

/** One request as it came. `bytes`: its body; `usage`: what was charged, null for a refused or broken one. */
export interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: string;
  readonly body: MessagesRequest;
  readonly user: string;
  readonly usage: Record<string, unknown> | null;
}

/** A scripted Messages API on loopback. */
export interface ClaudeServer {
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  /** Adds exchanges at the end. */
  expect(...exchanges: readonly GivenExchange[]): void;
  /** Answers every request that no exchange is left for. */
  answerRest(answer: ((request: MessagesRequest, user: string) => GivenAnswer) | null): void;
  /** Exchanges that were not used. */
  left(): number;
  /** Resolves once so many requests have come. */
  arrived(count: number): Promise<void>;
}

/** Who starts a server: a test, or a measurement. Functions given to `teardown` are called when it ends. */
export interface ServerOwner {
  teardown(close: () => void | Promise<void>): void;
  fail(message: string): void;
}

/** The only key that it takes. */
export const API_KEY = 'sk-ant-test-0123456789';

/** `countsTokens`: whether the door for counting is there; `besides`: answered whenever they fit and no exchange does. */
export interface ServerOptions {
  readonly countsTokens?: boolean;
  readonly leastCacheTokens?: number;
  readonly besides?: readonly GivenExchange[];
}

/**
 * Starts a server for the test. A request that no exchange expects fails the test, and so do exchanges that are left at its end.
 */
export async function startClaudeServer(
  t: ServerOwner,
  exchanges: readonly GivenExchange[] = [],
  { countsTokens = true, leastCacheTokens = 1_024, besides = [] }: ServerOptions = {},
): Promise<ClaudeServer> {
  const queue = exchanges.map((exchange) => Exchange.parse(exchange));
  const others = besides.map((exchange) => Exchange.parse(exchange));
  const requests: SeenRequest[] = [];
  const comes = new EventEmitter();
  const unexpected: string[] = [];
  const cache = createPromptCache(leastCacheTokens);
  let rest: ((request: MessagesRequest, user: string) => GivenAnswer) | null = null;

  const choose = (body: MessagesRequest, user: string): z.output<typeof Exchange>['answer'] => {
    const next = queue[0];
    const fits = next !== undefined && next.contains.every((text) => user.includes(text)) && (next.model ?? body.model) === body.model;
    if (fits) {
      if (next.times > 1) queue[0] = { ...next, times: next.times - 1 };
      else queue.shift();
      return next.answer;
    }
    const beside = others.find(({ contains }) => contains.every((text) => user.includes(text)));
    if (beside !== undefined) return beside.answer;
    if (next === undefined && rest !== null) return Exchange.parse({ answer: rest(body, user) }).answer;
    unexpected.push(`${body.model}: ${user.slice(0, 300)} … ${user.slice(-1500)}`);
    return { kind: 'error', status: 400, type: 'invalid_request_error' };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const bytes = await readText(request);
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (request.headers.authorization !== `Bearer ${API_KEY}`) return refuse(response, 401, 'authentication_error');
    if (path === '/v1/messages/count_tokens' && countsTokens) {
      const counted = MessagesRequest.partial({ max_tokens: true }).safeParse(JSON.parse(bytes));
      if (!counted.success) return refuse(response, 400, 'invalid_request_error');
      return sendJson(response, 200, { input_tokens: sum(listBlocks(counted.data).map((block) => countTokens(block.text))) });
    }
    if (path !== '/v1/messages') return refuse(response, 404, 'not_found_error');
    const parsed = MessagesRequest.safeParse(JSON.parse(bytes));
    if (!parsed.success) return refuse(response, 400, 'invalid_request_error');
    const body = parsed.data;
    const user = body.messages
      .map(({ content }) => (typeof content === 'string' ? content : content.map((b) => b.text).join('')))
      .join('\n');
    const answer = choose(body, user);
    const isCharged = ['json', 'text', 'tool', 'drop'].includes(answer.kind);
    const use = isCharged ? cache.use(body.model, listBlocks(body), Date.now()) : null;
    const usage = use === null ? null : writeUsage(use, answer);
    requests.push({ path, headers: request.headers, bytes, body, user, usage });
    comes.emit('request');
    await give(response, body, answer, usage);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      unexpected.push(String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  t.teardown(() => {
    if (unexpected.length > 0) throw new Error(`the scripted server got requests that nobody expected: ${unexpected.join(' | ')}`);
    if (queue.length > 0) throw new Error(`${queue.length} exchanges of the script were not used`);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    expect: (...more) => void queue.push(...more.map((exchange) => Exchange.parse(exchange))),
    answerRest: (answer) => {
      rest = answer;
    },
    left: () => queue.length,
    async arrived(count) {
      while (requests.length < count) await once(comes, 'request');
    },
  };
}

/** In the order in which the API keeps prompts: tools, system, messages; what the reply must look like comes before all of them. */
function listBlocks({
  system,
  messages,
  tools,
  output_config: output,
}: Pick<MessagesRequest, 'system' | 'messages' | 'tools' | 'output_config'>): PromptBlock[] {
  const before = [tools, output?.format?.schema]
    .filter((part) => part !== undefined)
    .map((part) => ({ text: JSON.stringify(part), keepFor: null }));
  const after = [system ?? [], ...messages.map(({ content }) => content)].flatMap((content) =>
    typeof content === 'string'
      ? [{ text: content, keepFor: null }]
      : content.map((block) => ({ text: block.text, keepFor: block.cache_control?.ttl ?? null })),
  );
  return [...before, ...after];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function textOf(answer: z.output<typeof Exchange>['answer']): string {
  if (answer.kind === 'json') return JSON.stringify(answer.value);
  if (answer.kind === 'tool') return JSON.stringify(answer.input);
  return answer.kind === 'text' || answer.kind === 'drop' ? answer.text : '';
}

function writeUsage(use: CacheUse, answer: z.output<typeof Exchange>['answer']) {
  return {
    input_tokens: use.input,
    cache_creation_input_tokens: use.write5m + use.write1h,
    cache_creation: { ephemeral_5m_input_tokens: use.write5m, ephemeral_1h_input_tokens: use.write1h },
    cache_read_input_tokens: use.read,
    output_tokens: 'outputTokens' in answer && answer.outputTokens !== undefined ? answer.outputTokens : countTokens(textOf(answer)),
  };
}

async function give(
  response: ServerResponse,
  body: MessagesRequest,
  answer: z.output<typeof Exchange>['answer'],
  usage: Record<string, unknown> | null,
): Promise<void> {
  if (answer.kind === 'error') {
    const headers: Record<string, string> = answer.retryAfterS === undefined ? {} : { 'retry-after': String(answer.retryAfterS) };
    return refuse(response, answer.status, answer.type, headers);
  }
  if (answer.kind === 'reset') return void response.socket?.resetAndDestroy();
  if (answer.kind === 'hang') return;
  if (answer.kind === 'garbage') return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(answer.body);
  const stop = answer.kind === 'text' ? answer.stop : answer.kind === 'tool' ? 'tool_use' : 'end_turn';
  const block = answer.kind === 'tool' ? { type: 'tool_use', id: 'toolu_1', name: answer.name, input: {} } : { type: 'text', text: '' };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: body.model };
  const text = textOf(answer);
  if (body.stream !== true) {
    const content = answer.kind === 'tool' ? [{ ...block, input: answer.input }] : [{ ...block, text }];
    return sendJson(response, 200, { ...message, content, stop_reason: stop, stop_sequence: null, usage });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_1' });
  const send = (event: Record<string, unknown>): void => void response.write(`event: ${event['type']}\ndata: ${JSON.stringify(event)}\n\n`);
  const started = { ...message, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } };
  send({ type: 'message_start', message: started });
  send({ type: 'content_block_start', index: 0, content_block: block });
  const half = Math.ceil(text.length / 2);
  const delta = (part: string) =>
    answer.kind === 'tool' ? { type: 'input_json_delta', partial_json: part } : { type: 'text_delta', text: part };
  send({ type: 'content_block_delta', index: 0, delta: delta(text.slice(0, half)) });
  if (answer.kind === 'drop') {
    // The bytes so far are to arrive before the connection breaks.
    await delay(20);
    return void response.socket?.resetAndDestroy();
  }
  send({ type: 'content_block_delta', index: 0, delta: delta(text.slice(half)) });
  send({ type: 'content_block_stop', index: 0 });
  send({ type: 'message_delta', delta: { stop_reason: stop, stop_sequence: null }, usage });
  send({ type: 'message_stop' });
  response.end();
}

function refuse(response: ServerResponse, status: number, type: string, headers: Record<string, string> = {}): void {
  sendJson(response, status, { type: 'error', error: { type, message: 'scripted' } }, headers);
}

function sendJson(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}
