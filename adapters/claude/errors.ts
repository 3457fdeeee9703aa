import {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  AnthropicError,
  AuthenticationError,
  BadRequestError,
  ContentTooLargeError,
  PaymentRequiredError,
  PermissionDeniedError,
} from '@anthropic-ai/sdk';
import { ModelError } from '#core/language-model.ts';

/** From the SDK's error to ours. `hasBegun`: a part of the reply had come, so it is being charged. Never shows the request or a header. */
export function toModelError(error: unknown, { hasBegun }: { readonly hasBegun: boolean }): ModelError {
  if (error instanceof ModelError) return error;
  if (error instanceof APIUserAbortError) return new ModelError('stopped', 'the call to Claude was stopped', { mayCost: true });
  if (error instanceof APIConnectionError) {
    return new ModelError('network', 'the connection to Claude broke, or took too long', { mayCost: true });
  }
  if (error instanceof APIError && error.status !== undefined) return refused(error, hasBegun);
  if (error instanceof AnthropicError || hasBegun) {
    return new ModelError('network', "Claude's reply broke off, or was none", { mayCost: true });
  }
  return new ModelError('network', 'the call to Claude failed', { mayCost: true });
}

function refused(error: APIError, hasBegun: boolean): ModelError {
  const says = `Claude answered ${error.status} (${error.type ?? 'no type'})`;
  const free = { mayCost: hasBegun };
  if (error instanceof AuthenticationError || error instanceof PermissionDeniedError) {
    return new ModelError('key', `${says}: the key is not accepted`, free);
  }
  if (error instanceof PaymentRequiredError) return new ModelError('payment', `${says}: the account has to be paid`, free);
  if (error instanceof ContentTooLargeError) return new ModelError('too-long', `${says}: the request is too long`, free);
  if (error instanceof BadRequestError) return new ModelError('request', `${says}: the request is refused`, free);
  if (error.status === 429 || (error.status ?? 0) >= 500 || error.status === 408 || error.status === 409) {
    return new ModelError('busy', says, { ...free, retryAfterMs: readRetryAfter(error.headers) });
  }
  return new ModelError('request', says, free);
}

function readRetryAfter(headers: Headers | undefined): number | null {
  const ms = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}
