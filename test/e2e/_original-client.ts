/** A client of the original system, written to its description alone: paths, words and statuses, none of our own types. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as a JSON object; empty when it is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export class OriginalClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  run(body: unknown): Promise<Reply> {
    return this.request('POST', '/run', body);
  }

  status(id: string): Promise<Reply> {
    return this.request('GET', `/status/${id}`);
  }

  submission(id: string): Promise<Reply> {
    return this.request('GET', `/result/${id}/submission.csv`);
  }

  logs(id: string, query = ''): Promise<Reply> {
    return this.request('GET', `/logs/${id}${query}`);
  }

  jobs(query = ''): Promise<Reply> {
    return this.request('GET', `/jobs${query}`);
  }

  cancel(id: string): Promise<Reply> {
    return this.request('DELETE', `/jobs/${id}`);
  }

  async request(method: string, path: string, body?: unknown): Promise<Reply> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: readObject(text) };
  }
}

/** The `job_id` of an answer; throws when there is none. */
export function readJobId(reply: Reply): string {
  const id = reply.body['job_id'];
  if (typeof id !== 'string') throw new Error(`no job_id in the answer: ${reply.status} ${reply.text.slice(0, 300)}`);
  return id;
}

/** The `jobs` of a list; throws when there is none. */
export function readJobs(reply: Reply): Readonly<Record<string, unknown>>[] {
  const { jobs } = reply.body;
  if (!Array.isArray(jobs)) throw new Error(`no jobs in the answer: ${reply.status} ${reply.text.slice(0, 300)}`);
  return jobs.filter(isObject);
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
