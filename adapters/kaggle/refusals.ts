import { competitionRulesUrl, CompetitionSlug } from '#core/kaggle.ts';
import { KaggleError, type KaggleErrorDetails, type KaggleErrorKind } from '#core/kaggle-error.ts';
import { ErrorReply } from './wire.ts';

/** What came back instead of an answer. `path` has no query and no secret; `slug` is the competition the call was about. */
export interface Refusal {
  status: number;
  body: string;
  path: string;
  slug: string | null;
  retryAfterMs: number | null;
  now: Date;
}

/** The error of a refused call, by status and by Kaggle's own words; see each kind's sentence for what to do next. */
export function refusalToError(refusal: Refusal): KaggleError {
  const { serverText, reason } = readErrorBody(refusal.body);
  const kind = chooseKind(refusal.status, serverText, reason);
  const details: KaggleErrorDetails = { status: refusal.status, serverText, path: refusal.path };
  const rulesUrl = refusal.slug !== null && CompetitionSlug.safeParse(refusal.slug).success ? competitionRulesUrl(refusal.slug) : null;
  const retryAfterMs = refusal.retryAfterMs ?? (kind === 'daily-limit' ? msToNextUtcDay(refusal.now) : null);
  return new KaggleError(kind, describe(kind, refusal, serverText, rulesUrl), { ...details, retryAfterMs, rulesUrl });
}

/** Kaggle's own sentence in an error body, and the reason in its details; empty when the body is HTML, empty or something else. */
export function readErrorBody(body: string): { code: number; serverText: string; reason: string } {
  const parsed = ErrorReply.safeParse(parseJson(body));
  if (!parsed.success) return { code: 0, serverText: '', reason: '' };
  const { code, message, status, details } = parsed.data.error;
  return { code: code ?? 0, serverText: message.slice(0, 500), reason: `${status} ${JSON.stringify(details ?? '')}` };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function chooseKind(status: number, text: string, reason: string): KaggleErrorKind {
  if (status === 401) return 'unauthenticated';
  if (status === 429) return 'rate-limited';
  if (status >= 500) return 'unavailable';
  if (/RulesAcceptanceRequired/.test(reason) || /accept this competition's rules|must accept/i.test(text)) return 'rules-not-accepted';
  if (/daily submission allowance|daily submission limit/i.test(text)) return 'daily-limit';
  if (/notebook|kernel/i.test(text) && /only|must/i.test(text)) return 'notebook-only';
  if (/'competitions\.participate' was denied|do not have a team/i.test(text)) return 'not-entered';
  if (/deadline|has ended|is closed|submissions are (?:disabled|closed)|no longer accepting/i.test(text)) return 'closed';
  return status === 403 || status === 404 ? 'not-found-or-private' : 'refused';
}

function describe(kind: KaggleErrorKind, refusal: Refusal, serverText: string, rulesUrl: string | null): string {
  const said = serverText === '' ? `Kaggle answered ${refusal.status}.` : `Kaggle said: ${serverText}`;
  const name = refusal.slug ?? 'this competition';
  const rules = rulesUrl ?? 'the rules page of the competition';
  const sentences: Partial<Record<KaggleErrorKind, string>> = {
    unauthenticated: 'Kaggle does not accept the credentials. Make a new token at https://www.kaggle.com/settings/api and set it.',
    'rules-not-accepted': `The rules of ${name} are not accepted yet. Accept them in a browser at ${rules}, then try again.`,
    'not-entered': `This account has not joined ${name}. Join and accept the rules at ${rules}, then try again. ${said}`,
    'not-found-or-private': `Kaggle has no competition ${name} that this account may see. Check the spelling, or ask its host for access. ${said}`,
    'daily-limit': `The daily number of submissions is used up; it starts again at 00:00 UTC. ${said}`,
    closed: `${name} takes no more submissions. ${said}`,
    'notebook-only': `${name} takes submissions from Kaggle notebooks only, not files. ${said}`,
    'rate-limited': 'Kaggle asks for fewer requests. Wait a minute, then try again.',
    unavailable: `Kaggle has trouble at the moment (status ${refusal.status}). Try again later.`,
  };
  return sentences[kind] ?? `Kaggle refused the request. ${said}`;
}

function msToNextUtcDay(now: Date): number {
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1) - now.getTime();
}

/** `Retry-After` in milliseconds: seconds or an HTTP date; null when absent or unreadable. */
export function readRetryAfterMs(header: string | null, now: Date): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now.getTime());
}
