import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const StoredSubmission = z.object({
  ref: z.int(),
  username: z.string(),
  slug: z.string(),
  fileName: z.string(),
  description: z.string(),
  bytes: z.int(),
  submittedAt: z.iso.datetime(),
  status: z.enum(['PENDING', 'COMPLETE', 'ERROR']),
  publicScore: z.number().nullable(),
  privateScore: z.number().nullable(),
  errorDescription: z.string(),
});
/** One submission as kept on disk; its file lies beside as `submissions/<ref>`. */
export type StoredSubmission = z.infer<typeof StoredSubmission>;

const StoredUpload = z.object({
  token: z.string(),
  uploadId: z.string(),
  username: z.string(),
  slug: z.string(),
  fileName: z.string(),
  contentLength: z.int(),
  expiresAt: z.iso.datetime(),
  isUsed: z.boolean(),
});
/** One upload that was begun; its bytes lie beside as `uploads/<uploadId>`. */
export type StoredUpload = z.infer<typeof StoredUpload>;

const StoredState = z.object({
  nextRef: z.int(),
  submissions: z.array(StoredSubmission),
  uploads: z.array(StoredUpload),
  entered: z.array(z.object({ username: z.string(), slug: z.string() })),
});
type StoredState = z.infer<typeof StoredState>;

/** What the stand-in must not forget when it is restarted, written to one file by rename at each change. */
export class StandInState {
  readonly #path: string;
  readonly #state: StoredState;
  readonly submissionsDir: string;
  readonly uploadsDir: string;
  readonly bundlesDir: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'state.json');
    this.submissionsDir = join(stateDir, 'submissions');
    this.uploadsDir = join(stateDir, 'uploads');
    this.bundlesDir = join(stateDir, 'bundles');
    for (const dir of [stateDir, this.submissionsDir, this.uploadsDir, this.bundlesDir]) mkdirSync(dir, { recursive: true });
    this.#state = readState(this.#path);
  }

  addUpload(upload: StoredUpload): void {
    this.#state.uploads.push(upload);
    this.#save();
  }

  findUpload(by: { token: string } | { uploadId: string }): StoredUpload | null {
    const isWanted = (upload: StoredUpload): boolean => ('token' in by ? upload.token === by.token : upload.uploadId === by.uploadId);
    return this.#state.uploads.find(isWanted) ?? null;
  }

  markUploadUsed(upload: StoredUpload): void {
    upload.isUsed = true;
    this.#save();
  }

  nextRef(): number {
    return this.#state.nextRef;
  }

  addSubmission(submission: StoredSubmission): void {
    this.#state.nextRef = submission.ref + 1;
    this.#state.submissions.push(submission);
    this.#save();
  }

  changeSubmission(ref: number, change: Partial<StoredSubmission>): void {
    const submission = this.#state.submissions.find((one) => one.ref === ref);
    if (submission) Object.assign(submission, change);
    this.#save();
  }

  submissions(): readonly StoredSubmission[] {
    return this.#state.submissions;
  }

  hasEntered(username: string, slug: string): boolean {
    return this.#state.entered.some((entry) => entry.username === username && entry.slug === slug);
  }

  enter(username: string, slug: string): void {
    if (this.hasEntered(username, slug)) return;
    this.#state.entered.push({ username, slug });
    this.#save();
  }

  #save(): void {
    const draft = `${this.#path}.new`;
    writeFileSync(draft, JSON.stringify(this.#state), { flush: true });
    renameSync(draft, this.#path);
  }
}

function readState(path: string): StoredState {
  try {
    return StoredState.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { nextRef: 40_000_001, submissions: [], uploads: [], entered: [] };
    throw new Error(`${path} is not readable as the stand-in's state. Move it away to begin anew.`, { cause: error });
  }
}
