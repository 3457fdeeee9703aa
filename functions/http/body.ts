import type { Request } from 'express';
import { callerError } from '#core/errors.ts';
import { waitMs } from './lifecycle.ts';

/** Largest body of any request. */
export const MAX_BODY_BYTES = 256 * 1024;
const DISCARD_BYTES = 8 * 1024 * 1024;
const DISCARD_MS = 5_000;
const MAX_DEPTH = 64;

/** Reads a body as UTF-8 text. Throws AgentError: 413 above 256 KiB, 415 for a compressed body, 400 for bytes that are not UTF-8. */
export async function readBodyText(req: Request): Promise<string> {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw callerError('unsupported-media-type', 415, 'Compressed bodies are not accepted: send the body as it is.');
  }
  const bytes = await readBodyBytes(req);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw callerError('invalid-body', 400, 'The body is not UTF-8 text.');
  }
}

async function readBodyBytes(req: Request): Promise<Buffer> {
  const declared = Number(req.headers['content-length'] ?? 0);
  if (declared > DISCARD_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  // Listeners, not `for await`: an iterator over a request costs several times the processor time, and every request has one.
  const read = () =>
    new Promise<void>((resolve, reject) => {
      req.on('data', (part: Buffer) => {
        size += part.length;
        if (size > DISCARD_BYTES) return void req.destroy(tooLarge());
        if (size <= MAX_BODY_BYTES) chunks.push(part);
      });
      req.once('end', resolve);
      req.once('error', reject);
      req.once('close', () => reject(new Error('the request broke off')));
    });
  // A client that still sends when we answer may never see the answer: a moderately large body is read and thrown away first.
  const reading = read().catch((error: unknown) => {
    throw size > MAX_BODY_BYTES ? tooLarge() : error;
  });
  if (declared > MAX_BODY_BYTES) await Promise.race([reading, waitMs(DISCARD_MS)]);
  else await reading;
  if (size > MAX_BODY_BYTES || declared > MAX_BODY_BYTES) throw tooLarge();
  return Buffer.concat(chunks);
}

function tooLarge() {
  return callerError('body-too-large', 413, `The body is larger than ${MAX_BODY_BYTES / 1024} KiB.`);
}

/** True when the request carries a body. */
export function hasBody(req: Request): boolean {
  return req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
}

/** Reads a JSON body. Throws AgentError 400, 413, 415, 422. */
export async function readJsonBody(req: Request): Promise<unknown> {
  const type = (req.headers['content-type'] ?? 'application/json').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && !/^application\/[a-z0-9.-]+\+json$/.test(type)) {
    throw callerError('unsupported-media-type', 415, 'Send the body as JSON, with "Content-Type: application/json".');
  }
  return parseJsonText(await readBodyText(req));
}

/** Parses JSON and refuses what the ledger could not store: deep nesting, NUL characters, broken Unicode. Throws AgentError 400 or 422. */
export function parseJsonText(text: string): unknown {
  if (exceedsDepth(text)) throw callerError('invalid-body', 422, `The JSON is nested deeper than ${MAX_DEPTH} levels.`);
  const value = parseOrThrow(text);
  assertStorable(value, '');
  return value;
}

function parseOrThrow(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (error) {
    const why = error instanceof Error ? error.message.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 160) : 'not JSON';
    throw callerError('invalid-body', 400, `The body is not JSON: ${why}`);
  }
}

function exceedsDepth(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return false;
}

/** Throws 422 at the first string, key or value, that a database can't hold as text. */
export function assertStorable(value: unknown, pointer: string): void {
  if (typeof value === 'string' && (!value.isWellFormed() || value.includes('\u0000'))) {
    const message = 'holds a NUL character or broken Unicode';
    throw callerError('invalid-body', 422, `The body is wrong: ${pointer || '/'} ${message}.`, [{ pointer: pointer || '/', message }]);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    const place = `${pointer}/${key
      .toWellFormed()
      .replaceAll(/[\u0000-\u001f]/g, '?')
      .slice(0, 80)}`;
    assertStorable(key, place);
    assertStorable(member, place);
  }
}
