import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import type { StoredObject } from './bundle.ts';
import type { Fault } from './faults.ts';

/** Answer a GET as Google's storage does: whole or from `Range: bytes=N-` on, with length, time and md5; or fail as the fault says. */
export async function sendObject(request: Request, response: Response, object: StoredObject, fault: Fault | null): Promise<void> {
  if (fault && answerInstead(response, fault)) return;
  const range = readRange(request.headers.range, object.bytes);
  response.set({
    'accept-ranges': 'bytes',
    'last-modified': object.modifiedAt.toUTCString(),
    'x-goog-hash': `md5=${fault?.kind === 'wrong-md5' ? Buffer.alloc(16).toString('base64') : object.md5}`,
    'content-type': object.path.endsWith('.zip') ? 'application/zip' : 'application/octet-stream',
  });
  if (range === 'beyond') return void response.status(416).set('content-range', `bytes */${object.bytes}`).end();
  const { start, end } = range ?? { start: 0, end: object.bytes - 1 };
  if (range) response.status(206).set('content-range', `bytes ${start}-${end}/${object.bytes}`);
  response.set('content-length', String(end - start + 1));
  if (object.bytes === 0) return void response.end();
  const isCut = fault?.kind === 'cut';
  const stream = createReadStream(object.path, { start, end: isCut ? start + Math.floor((end - start) / 2) : end });
  try {
    await pipeline(stream, response, { end: !isCut });
    if (isCut) response.socket?.end();
  } catch {
    response.socket?.destroy();
  }
}

function answerInstead(response: Response, fault: Fault): boolean {
  if (fault.kind === 'html') response.status(200).type('text/html').send('<html><body>We are down for maintenance.</body></html>');
  else if (fault.kind === 'rate-limited' || fault.kind === 'unavailable') {
    if (fault.retryAfterS !== undefined) response.set('retry-after', String(fault.retryAfterS));
    response.status(fault.kind === 'unavailable' ? 503 : 429).end();
  } else return false;
  return true;
}

function readRange(header: string | undefined, bytes: number): { start: number; end: number } | 'beyond' | null {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? '');
  if (!match) return null;
  const start = Number(match[1]);
  const end = match[2] === '' ? bytes - 1 : Math.min(Number(match[2]), bytes - 1);
  return start >= bytes || end < start ? 'beyond' : { start, end };
}
