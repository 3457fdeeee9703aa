import { createHmac, randomBytes } from 'node:crypto';
import { appendFile, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import express from 'express';
import type { StoredObject } from './bundle.ts';
import type { FaultPlan } from './faults.ts';
import { sendObject } from './send-object.ts';
import type { StandInState, StoredUpload } from './state.ts';

/** What the storage side is made of. */
export interface StorageOptions {
  state: StandInState;
  faults: FaultPlan;
  now: () => Date;
  urlLifetimeMs: number;
}

const MAX_UPLOAD_BYTES = 100 * 1024 * 1024;

/**
 * The place signed URLs point to, on a port of its own: a request that carries `Authorization` has leaked a secret across origins, and is
 * refused. Serves objects with Range, and takes resumable uploads.
 */
export class Storage {
  readonly #options: StorageOptions;
  readonly #secret = randomBytes(32);
  readonly #objects = new Map<string, StoredObject>();
  readonly app: express.Express;
  origin = '';

  constructor(options: StorageOptions) {
    this.#options = options;
    this.app = express().disable('x-powered-by').disable('etag');
    this.app.use((request, response, next) => {
      if (request.headers.authorization === undefined) next();
      else
        response
          .status(400)
          .type('text/plain')
          .send('Only one way of authorization is allowed: the URL is signed, and Authorization was sent too.');
    });
    this.app.get('/kaggle-competitions-data/*path', (request, response) => this.#get(request, response));
    this.app.put(
      '/upload/storage/v1/b/kaggle-competitions-submissions/o',
      express.raw({ type: () => true, limit: MAX_UPLOAD_BYTES }),
      (request, response) => this.#put(request, response),
    );
  }

  /** A URL that opens one object for a while; its path ends in the name the download should get. */
  signUrl(objectPath: string, object: StoredObject): string {
    const path = `/kaggle-competitions-data/${objectPath.split('/').map(encodeURIComponent).join('/')}`;
    this.#objects.set(path, object);
    const expires = String(this.#options.now().getTime() + this.#options.urlLifetimeMs);
    return `${this.origin}${path}?Expires=${expires}&Signature=${this.#sign(path, expires)}`;
  }

  uploadUrl(upload: StoredUpload): string {
    return `${this.origin}/upload/storage/v1/b/kaggle-competitions-submissions/o?uploadType=resumable&upload_id=${upload.uploadId}`;
  }

  /** The bytes of a finished upload; null while some are missing. */
  async readUpload(upload: StoredUpload): Promise<Buffer | null> {
    const bytes = await readFile(this.#uploadPath(upload)).catch(() => Buffer.alloc(0));
    return bytes.length === upload.contentLength ? bytes : null;
  }

  async #get(request: express.Request, response: express.Response): Promise<void> {
    const expires = typeof request.query['Expires'] === 'string' ? request.query['Expires'] : '';
    const fault = this.#options.faults.take('storage.get');
    const isValid = request.query['Signature'] === this.#sign(request.path, expires) && this.#options.now().getTime() < Number(expires);
    const object = this.#objects.get(request.path);
    if (!isValid || fault?.kind === 'expired')
      return void response.status(400).type('application/xml').send('<Error><Code>ExpiredToken</Code></Error>');
    if (!object) return void response.status(404).type('application/xml').send('<Error><Code>NoSuchKey</Code></Error>');
    await sendObject(request, response, object, fault);
  }

  async #put(request: express.Request, response: express.Response): Promise<void> {
    const fault = this.#options.faults.take('storage.put');
    const uploadId = typeof request.query['upload_id'] === 'string' ? request.query['upload_id'] : '';
    const upload = this.#options.state.findUpload({ uploadId });
    if (!upload || this.#options.now() >= new Date(upload.expiresAt)) return void response.status(404).end();
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    if (fault?.kind === 'unavailable') return void response.status(503).end();
    const path = this.#uploadPath(upload);
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    const range = request.headers['content-range'];
    const start = range === undefined ? 0 : Number(/^bytes (\d+)-/.exec(range)?.[1] ?? size);
    const isProbe = range?.startsWith('bytes */') ?? false;
    if (!isProbe) {
      if (start > size || start + body.length > upload.contentLength)
        return void response.status(400).type('text/plain').send('Wrong size.');
      await truncate(path, start).catch(() => undefined);
      await appendFile(path, fault?.kind === 'cut' ? body.subarray(0, body.length >> 1) : body);
    }
    if (fault?.kind === 'cut') return void request.socket.destroy();
    await this.#answerPut(upload, path, response);
  }

  async #answerPut(upload: StoredUpload, path: string, response: express.Response): Promise<void> {
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size === upload.contentLength) return void response.status(200).json({ name: upload.fileName, size: String(size) });
    if (size > 0) response.set('range', `bytes=0-${size - 1}`);
    response.status(308).end();
  }

  #uploadPath(upload: StoredUpload): string {
    return join(this.#options.state.uploadsDir, upload.uploadId);
  }

  #sign(path: string, expires: string): string {
    return createHmac('sha256', this.#secret).update(`${path}\n${expires}`).digest('hex');
  }
}
