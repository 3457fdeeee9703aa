import { z } from 'zod';
import type { Accounts, StandInUser } from './accounts.ts';
import type { ServedCompetition } from './competitions.ts';
import { permissionDenied, WireError } from './replies.ts';
import type { StandInState } from './state.ts';
import type { Storage } from './storage.ts';

/** What every method of the stand-in works on. */
export interface StandInContext {
  competitions: ReadonlyMap<string, ServedCompetition>;
  accounts: Accounts;
  state: StandInState;
  storage: Storage;
  now: () => Date;
  scoringDelayMs: number;
  uploadLifetimeMs: number;
  /** Single files from this size on are served zipped, as Kaggle does. */
  zipFilesFromBytes: number;
}

/** What a method answers: a JSON body, a redirect to a signed URL, or bytes. */
export type MethodReply = { redirect: string } | { bytes: Buffer; fileName: string } | object;

/** One RPC method: takes the unchecked body, checks it, answers. */
export type Method = (context: StandInContext, user: StandInUser, body: unknown) => Promise<MethodReply>;
export type Methods = Readonly<Record<string, Method>>;

/** A method whose request has the given shape; unknown fields are ignored, a wrong shape is 400. */
export function defineMethod<T extends z.ZodType>(
  schema: T,
  handle: (context: StandInContext, user: StandInUser, request: z.output<T>) => MethodReply | Promise<MethodReply>,
): Method {
  return async (context, user, body) => {
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw new WireError(400, `Invalid request: ${z.prettifyError(parsed.error).slice(0, 300)}`);
    return handle(context, user, parsed.data);
  };
}

/** The competition with that slug; an unknown one is a missing permission, as at Kaggle. */
export function findCompetition(context: StandInContext, slug: string, permission: string): ServedCompetition {
  const competition = context.competitions.get(slug);
  if (!competition) throw permissionDenied(permission);
  return competition;
}
