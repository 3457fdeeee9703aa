/** Why Kaggle, or what stands between, said no. */
export type KaggleErrorKind =
  | 'unauthenticated'
  | 'rules-not-accepted'
  | 'not-entered'
  | 'not-found-or-private'
  | 'daily-limit'
  | 'closed'
  | 'notebook-only'
  | 'rate-limited'
  | 'expired-url'
  | 'refused'
  | 'invalid-response'
  | 'unsafe-archive'
  | 'unavailable'
  | 'network';

/** Whose turn it is: the `user` must act at Kaggle or change the input, trying later helps, or an `operator` must look. */
export type KaggleTurn = 'user' | 'retry-later' | 'operator';

const TURNS: Record<KaggleErrorKind, KaggleTurn> = {
  unauthenticated: 'operator',
  'rules-not-accepted': 'user',
  'not-entered': 'user',
  'not-found-or-private': 'user',
  'daily-limit': 'retry-later',
  closed: 'user',
  'notebook-only': 'user',
  'rate-limited': 'retry-later',
  'expired-url': 'retry-later',
  refused: 'user',
  'invalid-response': 'operator',
  'unsafe-archive': 'operator',
  unavailable: 'retry-later',
  network: 'retry-later',
};

/** What a `KaggleError` is made of. `path` is the request's path without its query; nothing here may hold a secret. */
export interface KaggleErrorDetails {
  status?: number | null;
  serverText?: string | null;
  path?: string | null;
  retryAfterMs?: number | null;
  rulesUrl?: string | null;
  cause?: unknown;
}

/** The one error of the Kaggle port; the message says what was wrong and what to do next, `turn` whose turn it is. */
export class KaggleError extends Error {
  override readonly name = 'KaggleError' as const;
  readonly kind: KaggleErrorKind;
  readonly turn: KaggleTurn;
  readonly status: number | null;
  readonly serverText: string | null;
  readonly path: string | null;
  readonly retryAfterMs: number | null;
  readonly rulesUrl: string | null;

  constructor(kind: KaggleErrorKind, message: string, details: KaggleErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.turn = TURNS[kind];
    this.status = details.status ?? null;
    this.serverText = details.serverText ?? null;
    this.path = details.path ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    this.rulesUrl = details.rulesUrl ?? null;
  }
}
