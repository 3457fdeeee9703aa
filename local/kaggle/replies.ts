/** An answer that is an error, in the shape of api.kaggle.com. */
export class WireError extends Error {
  override readonly name = 'WireError' as const;
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, message: string, details?: unknown) {
    super(message);
    this.status = status;
    const code = STATUS_WORDS[status] ?? 'UNKNOWN';
    this.body = { error: { code: status, message, status: code, ...(details === undefined ? {} : { details }) } };
  }
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

/** 403 as for an unknown competition, a private one, or a right the account does not have: Kaggle does not tell them apart. */
export function permissionDenied(permission: string): WireError {
  return new WireError(403, `Permission '${permission}' was denied`);
}

/** 403 of a download before the rules are accepted. */
export function rulesNotAccepted(slug: string): WireError {
  return new WireError(403, "You must accept this competition's rules before you'll be able to download files.", [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'RulesAcceptanceRequired',
      metadata: { url: `/competitions/${slug}/rules` },
    },
  ]);
}

/** A reply without the fields that hold their default value: Kaggle leaves those out. */
export function withoutDefaults(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDefaults);
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, field]) => !isDefault(field));
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutDefaults(field)]));
}

function isDefault(value: unknown): boolean {
  return (
    value === undefined || value === null || value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0)
  );
}
