import { z } from 'zod';
import { WireError } from './replies.ts';

const MAX_PAGE_SIZE = 200;

/** Fields of every paged request. */
export const PageRequest = z.object({ pageSize: z.number().int().nullish(), pageToken: z.string().nullish() });

/** One page of a list and an opaque token for the next one; "" at the end. */
export function slicePage<T>(
  all: readonly T[],
  request: z.infer<typeof PageRequest>,
  defaultSize: number,
): { items: T[]; nextPageToken: string } {
  const size = Math.min(
    MAX_PAGE_SIZE,
    request.pageSize !== null && request.pageSize !== undefined && request.pageSize > 0 ? request.pageSize : defaultSize,
  );
  const start = request.pageToken ? readToken(request.pageToken) : 0;
  const end = start + size;
  return { items: all.slice(start, end), nextPageToken: end < all.length ? Buffer.from(`from:${end}`).toString('base64url') : '' };
}

function readToken(token: string): number {
  const start = /^from:(\d+)$/.exec(Buffer.from(token, 'base64url').toString('utf8'))?.[1];
  if (start === undefined) throw new WireError(400, 'Invalid page token');
  return Number(start);
}
