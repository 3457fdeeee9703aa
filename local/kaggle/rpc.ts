import express, { Router } from 'express';
import { z } from 'zod';
import { CATALOGUE_METHODS } from './catalogue.ts';
import type { Fault, FaultPlan } from './faults.ts';
import { LEADERBOARD_METHODS } from './leaderboard.ts';
import type { Method, MethodReply, StandInContext } from './methods.ts';
import { withoutDefaults, WireError } from './replies.ts';
import { SUBMISSION_METHODS } from './submissions.ts';

const METHODS = new Map<string, Method>(Object.entries({ ...CATALOGUE_METHODS, ...SUBMISSION_METHODS, ...LEADERBOARD_METHODS }));
const IntrospectRequest = z.object({ token: z.string() });
const MAX_BODY = '1mb';

/** `POST /<package.Service>/<Method>` with a JSON body, as Kaggle's newest clients speak. */
export function createRpcRouter(context: StandInContext, faults: FaultPlan): Router {
  const router = Router();
  router.use(express.json({ type: () => true, limit: MAX_BODY }));
  router.post('/security.OAuthService/IntrospectToken', (request, response) => {
    const parsed = IntrospectRequest.safeParse(request.body);
    const user = parsed.success ? context.accounts.findByToken(parsed.data.token) : null;
    response.json(
      user
        ? { active: true, username: user.username, userId: context.accounts.idOf(user.username), scope: 'resources.admin:*' }
        : { active: false },
    );
  });
  router.post('/competitions.CompetitionApiService/:method', (request, response, next) => {
    callMethod(context, faults, request, response).catch(next);
  });
  router.use(() => {
    throw new WireError(404, 'Not found');
  });
  router.use(answerError);
  return router;
}

async function callMethod(
  context: StandInContext,
  faults: FaultPlan,
  request: express.Request<{ method: string }>,
  response: express.Response,
): Promise<void> {
  const name = request.params.method;
  const fault = faults.take(name);
  if (fault && fault.kind !== 'lost-reply') return answerFault(response, fault);
  const user = context.accounts.authenticate(request.headers.authorization);
  if (!user) throw new WireError(401, 'Unauthenticated');
  const method = METHODS.get(name);
  if (!method) throw new WireError(404, `Method ${name.slice(0, 80)} is not served here`);
  const reply = await method(context, user, request.body ?? {});
  if (fault) request.socket.destroy();
  else sendReply(response, reply);
}

function sendReply(response: express.Response, reply: MethodReply): void {
  if ('redirect' in reply) response.status(302).set('location', String(reply.redirect)).end();
  else if ('bytes' in reply && Buffer.isBuffer(reply.bytes)) response.type('application/zip').send(reply.bytes);
  else response.json(withoutDefaults(reply));
}

function answerFault(response: express.Response, fault: Fault): void {
  if (fault.kind === 'html')
    return void response.status(200).type('text/html').send('<html><body>We are down for maintenance.</body></html>');
  if (fault.kind === 'rate-limited' || fault.kind === 'unavailable') {
    if (fault.retryAfterS !== undefined) response.set('retry-after', String(fault.retryAfterS));
    const error = fault.kind === 'rate-limited' ? new WireError(429, 'Too many requests') : new WireError(503, 'Service unavailable');
    return void response.status(error.status).json(error.body);
  }
  response.socket?.destroy();
}

const HttpFault = z.object({ status: z.int().min(400).max(499), message: z.string() });

// Express recognises an error handler by its four parameters.
function answerError(error: unknown, _request: express.Request, response: express.Response, _next: express.NextFunction): void {
  const parsed = HttpFault.safeParse(error);
  const known = error instanceof WireError ? error : parsed.success ? new WireError(parsed.data.status, parsed.data.message) : null;
  const answer = known ?? new WireError(500, 'Something went wrong here.');
  if (known === null) process.stderr.write(`kaggle stand-in: ${error instanceof Error ? error.message : String(error)}\n`);
  if (!response.headersSent) response.status(answer.status).json(answer.body);
}
