import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ExecutionContext } from 'ava';
import { createKaggleClient, type KaggleClient, type KaggleClientOptions } from '#adapters/kaggle/client.ts';
import { createKaggleStandIn, DEMO_USER, type KaggleStandIn, type StandInOptions } from '#local/kaggle/server.ts';

const examplesDir = resolve(import.meta.dirname, '../../examples');

/** A folder of the test's own, removed at its end. */
export async function makeTempDir(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A clock that stands still until it is moved. */
export function createManualClock(start: string): { now: () => Date; advanceMs: (ms: number) => void } {
  let ms = Date.parse(start);
  return { now: () => new Date(ms), advanceMs: (by) => void (ms += by) };
}

/** A stand-in on free ports over the committed examples, closed at the test's end; submissions are scored at once. */
export async function startStandIn(
  t: ExecutionContext,
  options: Partial<StandInOptions> = {},
): Promise<{ standIn: KaggleStandIn; apiBaseUrl: string; port: number; storageOrigin: string }> {
  const stateDir = options.stateDir ?? (await makeTempDir(t));
  const standIn = createKaggleStandIn({ examplesDir, answersDir: join(examplesDir, 'answers'), scoringDelayMs: 0, ...options, stateDir });
  const addresses = await standIn.listen();
  t.teardown(() => standIn.close());
  return { standIn, ...addresses };
}

/** A client for a stand-in that does not wait between tries; `waitsMs` collects what it would have waited. */
export function connectClient(apiBaseUrl: string, options: Partial<KaggleClientOptions> = {}): { client: KaggleClient; waitsMs: number[] } {
  const waitsMs: number[] = [];
  const client = createKaggleClient({
    baseUrl: apiBaseUrl,
    credentials: { token: DEMO_USER.token },
    sleep: async (ms) => void waitsMs.push(ms),
    ...options,
  });
  return { client, waitsMs };
}
