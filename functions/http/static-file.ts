import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Route } from './app.ts';

export interface StaticFile {
  readonly path: string;
  readonly file: URL;
  readonly contentType: string;
  readonly csp: string;
}

/** A route that serves one file of ours, read once and kept, with a strong ETag. Only files that are named here can ever be read. */
export function createStaticRoute({ path, file, contentType, csp }: StaticFile): Route {
  let loaded: Promise<{ bytes: Buffer; etag: string }> | null = null;
  const load = async () => {
    const bytes = await readFile(file);
    return { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"` };
  };
  return {
    method: 'get',
    path,
    access: 'open',
    async handle({ req, res }) {
      loaded ??= load();
      const { bytes, etag } = await loaded.catch((error: unknown) => {
        loaded = null;
        throw error;
      });
      res.setHeader('content-security-policy', csp);
      res.setHeader('cache-control', 'no-cache');
      res.setHeader('etag', etag);
      if (req.headers['if-none-match'] === etag) return void res.writeHead(304).end();
      res.writeHead(200, { 'content-type': contentType, 'content-length': bytes.length });
      res.end(bytes);
    },
  };
}
