import { createHmac, timingSafeEqual } from 'node:crypto';

const TOKEN = /^v1\.(\d{9,12})\.([0-9a-f]{64})$/;
const SIGNATURE = /^(\d{9,12})\.([0-9a-f]{64})$/;

/**
 * The secret of one attempt: HMAC-SHA256(plane key, job id ‖ attempt ‖ expiry), with its expiry (epoch seconds) in front. Only launcher
 * and collector hold the plane key; the agent holds this and nothing more.
 */
export function makeToken(planeKey: string, jobId: string, attempt: number, expiresAt: Date): string {
  const expiryS = Math.floor(expiresAt.getTime() / 1000);
  return `v1.${expiryS}.${hmacHex(planeKey, `${jobId}\n${attempt}\n${expiryS}`)}`;
}

/** Signature of one hint: `<expiry>.<HMAC-SHA256(token, event id) as hex>`. Throws when the token is not one of `makeToken`'s. */
export function signHint(token: string, eventId: string): string {
  const match = TOKEN.exec(token);
  if (match === null) throw new Error("the attempt's token is malformed: expected v1.<expiry>.<hex>");
  return `${match[1]}.${hmacHex(token, eventId)}`;
}

/** True when `signature` was made by the holder of this attempt's token, which has not expired. Never throws, whatever the input. */
export function verifyHint(params: {
  readonly planeKey: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly eventId: string;
  readonly signature: string;
  readonly now: Date;
}): boolean {
  const match = SIGNATURE.exec(params.signature);
  if (match === null) return false;
  const expiryS = Number(match[1]);
  if (expiryS * 1000 < params.now.getTime()) return false;
  const token = makeToken(params.planeKey, params.jobId, params.attempt, new Date(expiryS * 1000));
  const expected = Buffer.from(hmacHex(token, params.eventId), 'hex');
  return timingSafeEqual(expected, Buffer.from(match[2] ?? '', 'hex'));
}

function hmacHex(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}
