/** One question to a language model. `system` stays the same over a run, block by block, so that its provider can keep it. */
export interface ModelRequest {
  readonly model: string;
  /** Each block but the last is a place up to which the provider may keep what it read. The last too. */
  readonly system: readonly string[];
  /** What differs from call to call. */
  readonly user: string;
  /** What the reply may have at most, thinking included. */
  readonly maxTokens: number;
  readonly effort: 'low' | 'medium' | 'high';
  /** JSON Schema of the reply; the same for all calls of a model, since a changed one makes the provider read everything anew. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** How long the provider should keep what it read. */
  readonly keepFor: '5m' | '1h';
}

/** Tokens of one call as the provider counted them. */
export interface ModelUsage {
  readonly input: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly cacheRead: number;
  readonly output: number;
}

/** What came back. A reply whose `end` is not `complete` is cut off, or refused: nothing of it is used. */
export interface ModelReply {
  readonly text: string;
  readonly end: 'complete' | 'cut' | 'refused';
  readonly usage: ModelUsage;
}

/**
 * Why a call failed. `key`, `payment`: the account; no further call makes sense. `busy`: later (`retryAfterMs`). `too-long`, `request`: this
 * request is refused. `network`: nothing is known, it may have been answered, and charged. `stopped`: by the caller; may be charged too.
 */
export type ModelFailure = 'key' | 'payment' | 'busy' | 'too-long' | 'request' | 'network' | 'stopped';

/** A call that gave no reply. `mayCost`: it may have been charged all the same. The message holds no secret and nothing of the request. */
export class ModelError extends Error {
  override name = 'ModelError' as const;
  readonly failure: ModelFailure;
  readonly mayCost: boolean;
  readonly retryAfterMs: number | null;

  constructor(failure: ModelFailure, message: string, options: { readonly mayCost: boolean; readonly retryAfterMs?: number | null }) {
    super(message);
    this.failure = failure;
    this.mayCost = options.mayCost;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** A language model behind its API. Calls are not repeated: who pays decides about that. */
export interface LanguageModel {
  /** Tokens that the request's input has; null when the provider cannot say. Costs nothing. */
  countTokens(request: ModelRequest, options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<number | null>;
  /** Throws ModelError. */
  ask(request: ModelRequest, options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<ModelReply>;
}
