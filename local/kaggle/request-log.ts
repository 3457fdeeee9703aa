import type { RequestListener } from 'node:http';

/** One request as the log keeps it: no query (signatures), and of `Authorization` only its scheme. */
export interface LoggedRequest {
  at: string;
  side: 'api' | 'storage';
  method: string;
  path: string;
  authorization: string | null;
  status: number;
}

const MAX_ENTRIES = 5_000;

/** The last requests, for tests and for people who wonder what a client did. */
export class RequestLog {
  readonly #now: () => Date;
  readonly #entries: LoggedRequest[] = [];

  constructor(now: () => Date) {
    this.#now = now;
  }

  entries(): readonly LoggedRequest[] {
    return this.#entries;
  }

  /** The same listener, with a line in the log for each request when its answer ends. */
  around(side: LoggedRequest['side'], listener: RequestListener): RequestListener {
    return (request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      const { authorization } = request.headers;
      response.once('close', () => {
        if (this.#entries.length >= MAX_ENTRIES) this.#entries.shift();
        const scheme = authorization === undefined ? null : `${authorization.split(' ')[0]} …`;
        this.#entries.push({
          at: this.#now().toISOString(),
          side,
          method: request.method ?? '',
          path,
          authorization: scheme,
          status: response.statusCode,
        });
      });
      listener(request, response);
    };
  }
}
