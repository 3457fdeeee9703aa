import { KaggleError } from '#core/kaggle-error.ts';
import type { TransportSettings } from './transport.ts';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/**
 * The signed URL, if it points where Kaggle keeps files: https on an allowed host; for the stand-in, loopback when Kaggle itself is on loopback,
 * or the same host when that was configured with plain http. Throws `invalid-response` otherwise, without showing more than the host.
 */
export function checkStorageUrl(settings: Pick<TransportSettings, 'baseUrl' | 'storageHosts'>, address: string): string {
  const url = URL.parse(address, settings.baseUrl);
  if (url === null) throw new KaggleError('invalid-response', 'Kaggle named an address that is not a URL.');
  const base = new URL(settings.baseUrl);
  const isLoopback = LOOPBACK.has(url.hostname) && isLoopbackUrl(settings.baseUrl);
  const isSameHost = base.protocol === 'http:' && url.hostname === base.hostname;
  const isStandIn = url.protocol === 'http:' && (isLoopback || isSameHost);
  const isStorage = settings.storageHosts.includes(url.hostname) && url.protocol === 'https:' && url.port === '';
  if ((!isStandIn && !isStorage) || url.username !== '' || url.password !== '') {
    throw new KaggleError(
      'invalid-response',
      `Kaggle pointed to ${url.host}, which is not a place where it keeps files. Nothing was sent there.`,
    );
  }
  return url.href;
}

/** Whether an address is on this machine. */
export function isLoopbackUrl(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && LOOPBACK.has(url.hostname);
}
