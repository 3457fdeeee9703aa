import { createParser } from 'eventsource-parser';
import { z } from 'zod';
import { CliError, EXIT_CODES, exitCodeForAnswer } from './exit-codes.ts';
import { HealthView, InstructAccepted, JobListView, JobView, ResultView, RunAccepted, StreamEvent } from './wire.ts';

/** Where the three public functions are reached: one base URL on one machine, up to three on a cluster. */
export interface ServiceUrls {
  readonly submit: string;
  readonly status: string;
  readonly result: string;
}

export interface ClientOptions {
  readonly urls: ServiceUrls;
  readonly apiKey: string | null;
  readonly requestTimeoutMs?: number;
  /** Ends every request: Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** Errors may come from a proxy in between: only these members are needed. */
const ShownProblem = z.object({ detail: z.string(), request_id: z.string(), code: z.string() }).partial();
const MAX_ANSWER_BYTES = 16 * 2 ** 20;

/** The service over HTTP. Every method throws CliError with the service's own words and the matching exit code. */
export class ServiceClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async submit(body: Readonly<Record<string, unknown>>, idempotencyKey: string | null): Promise<RunAccepted> {
    const headers = { 'content-type': 'application/json', ...(idempotencyKey !== null && { 'idempotency-key': idempotencyKey }) };
    return this.#json(RunAccepted, `${this.#options.urls.submit}/run`, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async cancel(jobId: string): Promise<string> {
    const response = await this.#fetch(`${this.#options.urls.submit}/jobs/${encodeURIComponent(jobId)}`, { method: 'DELETE' });
    await response.body?.cancel();
    return jobId;
  }

  /** Tells a job that is not final one thing. */
  instruct(jobId: string, body: Readonly<Record<string, unknown>>): Promise<InstructAccepted> {
    const url = `${this.#options.urls.submit}/jobs/${encodeURIComponent(jobId)}/instructions`;
    return this.#json(InstructAccepted, url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  describe(jobId: string): Promise<JobView> {
    return this.#json(JobView, `${this.#options.urls.status}/status/${encodeURIComponent(jobId)}`);
  }

  list(params: { readonly state: string | null; readonly limit: number }): Promise<JobListView> {
    const query = new URLSearchParams({ limit: String(params.limit), ...(params.state !== null && { status_filter: params.state }) });
    return this.#json(JobListView, `${this.#options.urls.status}/jobs?${query.toString()}`);
  }

  result(jobId: string): Promise<ResultView> {
    return this.#json(ResultView, `${this.#options.urls.result}/result/${encodeURIComponent(jobId)}`);
  }

  /** The bytes of a result file, as they come. */
  async openFile(jobId: string, name: string, query = ''): Promise<ReadableStream<Uint8Array>> {
    const url = `${this.#options.urls.result}/result/${encodeURIComponent(jobId)}/${encodeURIComponent(name)}${query}`;
    const response = await this.#fetch(url, {}, null);
    if (response.body === null) throw new CliError(`The service sent nothing for ${name}.`, EXIT_CODES.failed);
    return response.body;
  }

  async logs(jobId: string, params: { readonly tailLines: number; readonly attempt: number | null }): Promise<string> {
    const query = new URLSearchParams({
      tail_lines: String(params.tailLines),
      ...(params.attempt !== null && { attempt: String(params.attempt) }),
    });
    const response = await this.#fetch(`${this.#options.urls.result}/logs/${encodeURIComponent(jobId)}?${query.toString()}`);
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null && 'logs' in body ? String(body.logs) : '';
  }

  async followLogs(jobId: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#fetch(`${this.#options.urls.result}/logs/${encodeURIComponent(jobId)}?follow=1`, { signal }, null);
    if (response.body === null) throw new CliError('The service sent no log.', EXIT_CODES.failed);
    return response.body;
  }

  health(): Promise<HealthView> {
    return this.#json(HealthView, `${this.#options.urls.status}/health`);
  }

  /**
   * A job's events in order, each once, until its final one. Reconnects by Last-Event-ID: a stream may end at any time (the service's own
   * timeout, a restart). Gives up with `unavailable` after `patienceMs` without an answer.
   */
  async *events(jobId: string, params: { readonly signal: AbortSignal; readonly patienceMs?: number }): AsyncGenerator<StreamEvent> {
    let lastSeq = 0;
    let lastAnswerAt = Date.now();
    while (!params.signal.aborted) {
      try {
        const headers = { accept: 'text/event-stream', 'last-event-id': String(lastSeq) };
        const response = await this.#fetch(
          `${this.#options.urls.status}/jobs/${encodeURIComponent(jobId)}/events`,
          { headers, signal: params.signal },
          null,
        );
        lastAnswerAt = Date.now();
        if (response.status === 204 || response.body === null) return;
        for await (const event of parseStream(response.body)) {
          lastSeq = Math.max(lastSeq, event.seq);
          lastAnswerAt = Date.now();
          yield event;
          if (event.type === 'finished') return;
        }
      } catch (error) {
        if (params.signal.aborted) return;
        const isFinal = error instanceof CliError && error.exitCode !== EXIT_CODES.unavailable;
        if (isFinal || Date.now() - lastAnswerAt > (params.patienceMs ?? 60_000)) throw error;
      }
      await wait(500, params.signal);
    }
  }

  async #json<T>(schema: z.ZodType<T>, url: string, init: RequestInit = {}): Promise<T> {
    const response = await this.#fetch(url, init);
    const text = await response.text();
    if (text.length > MAX_ANSWER_BYTES) throw new CliError(`The answer of ${url} is too large.`, EXIT_CODES.failed);
    const parsed = schema.safeParse(readJson(text));
    if (parsed.success) return parsed.data;
    throw new CliError(
      `${new URL(url).origin} did not answer as this version expects. Is it a Kaggle Agent service?`,
      EXIT_CODES.failed,
      parsed.error,
    );
  }

  async #fetch(
    url: string,
    init: RequestInit = {},
    timeoutMs: number | null = this.#options.requestTimeoutMs ?? 30_000,
  ): Promise<Response> {
    const timeout = timeoutMs === null ? null : AbortSignal.timeout(timeoutMs);
    const signals = [init.signal, this.#options.signal, timeout].filter((signal) => signal instanceof AbortSignal);
    const headers = new Headers(init.headers);
    if (this.#options.apiKey !== null) headers.set('authorization', `Bearer ${this.#options.apiKey}`);
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers, redirect: 'error', signal: AbortSignal.any(signals) });
    } catch (error) {
      if (this.#options.signal?.aborted === true) throw new CliError('Interrupted.', EXIT_CODES.interrupted);
      throw new CliError(
        `No answer from ${new URL(url).origin}. Is the service running? Start it with "npm start", or name it with --url.`,
        EXIT_CODES.unavailable,
        error,
      );
    }
    if (response.ok) return response;
    const problem = ShownProblem.safeParse(readJson(await response.text()));
    const { detail = `HTTP ${response.status}`, request_id: requestId, code } = problem.success ? problem.data : {};
    const trace = requestId === undefined ? '' : ` (request ${requestId})`;
    throw new CliError(`${detail}${trace}`, exitCodeForAnswer(response.status, code ?? null));
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function* parseStream(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const ready: StreamEvent[] = [];
  const parser = createParser({
    onEvent: (message) => {
      const parsed = StreamEvent.safeParse(readJson(message.data));
      if (parsed.success) ready.push(parsed.data);
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* ready.splice(0);
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
