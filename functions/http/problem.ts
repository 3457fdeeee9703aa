import type { ErrorRequestHandler, Request, Response } from 'express';
import type { Problem } from '#core/responses.ts';
import type { Logger } from '#core/ports.ts';
import { AgentError, callerError } from '#core/errors.ts';

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Not signed in',
  403: 'Refused',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timed out',
  413: 'Body too large',
  415: 'Unsupported media type',
  422: 'Not valid',
  431: 'Headers too large',
  500: 'Internal error',
  503: 'Not available just now',
};

/** The problem+json body of an error. */
export function buildProblem(error: AgentError, requestId: string): Problem {
  return {
    type: `/docs/errors#${error.code}`,
    title: TITLES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    retryable: error.turn === 'retry',
    request_id: requestId,
    errors: error.details.map(({ pointer, message }) => ({ pointer, message })),
  };
}

/** Answers with problem+json. When the request's body was not read to its end, the connection is closed. */
export function sendProblem(res: Response, error: AgentError): void {
  if (!res.req.complete) res.setHeader('connection', 'close');
  if (error.retryAfterMs !== null) res.setHeader('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))));
  if (error.status === 401) res.setHeader('www-authenticate', 'Bearer realm="kaggle-agent"');
  const body = JSON.stringify(buildProblem(error, readRequestId(res)));
  res.setHeader('cache-control', 'no-store');
  res.removeHeader('etag');
  res.writeHead(error.status, { 'content-type': 'application/problem+json; charset=utf-8', 'content-length': Buffer.byteLength(body) });
  res.end(body);
}

/** The id of the request that this response answers. */
export function readRequestId(res: Response): string {
  return String(res.getHeader('x-request-id') ?? '');
}

/** Turns anything thrown into an AgentError; what is not ours becomes a 500 that tells nothing of the inside. */
export function toAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error;
  const status = readStatus(error);
  if (status === 400) return callerError('invalid-query', 400, 'The address of the request is not valid: check its percent-encoding.');
  return new AgentError({
    code: 'internal',
    status: 500,
    message: 'Something went wrong on our side. Try again; if it stays, give the request_id to the operator.',
    turn: 'operator',
    cause: error,
  });
}

function readStatus(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('status' in error)) return null;
  return typeof error.status === 'number' ? error.status : null;
}

/** The one error middleware. Errors of ours (5xx) are logged with the request's id; a broken connection is only closed. */
export function createErrorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, req: Request, res: Response, _next) => {
    const known = toAgentError(error);
    if (known.status >= 500) logError(logger, known, req, readRequestId(res));
    if (res.headersSent || res.destroyed) {
      res.destroy();
      return;
    }
    sendProblem(res, known);
  };
}

function logError(logger: Logger, error: AgentError, req: Request, requestId: string): void {
  const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause ?? '');
  const fields = {
    request_id: requestId,
    method: req.method,
    path: req.path.slice(0, 200),
    code: error.code,
    detail: error.message,
    cause,
  };
  if (error.code === 'internal') logger.error(fields, 'request failed');
  else logger.warn(fields, 'request could not be served just now');
}
