import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { findFreePort } from './listen-for-test.ts';

/** Environment variable with the path of a fake-gcs-server binary; without it the GCS suite can't run. */
export const FAKE_GCS_VARIABLE = 'KAGGLE_AGENT_FAKE_GCS';

export interface FakeGcs {
  readonly endpoint: string;
  createBucket(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a real fake-gcs-server on a free loopback port; resolves when it answers. */
export async function startFakeGcs(binary: string): Promise<FakeGcs> {
  const port = await findFreePort();
  const flags = ['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-backend', 'memory'];
  const child = spawn(binary, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-2000);
  });
  const ended = once(child, 'exit');
  const endpoint = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + 15_000;
  while (!(await answers(`${endpoint}/storage/v1/b`))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${binary} did not start: ${log}`);
    }
  }
  return {
    endpoint,
    createBucket: async (name) => {
      const request = { method: 'POST', body: JSON.stringify({ name }), headers: { 'content-type': 'application/json' } };
      const response = await fetch(`${endpoint}/storage/v1/b?project=test`, request);
      if (!response.ok) throw new Error(`bucket ${name}: ${response.status} ${await response.text()}`);
      await response.body?.cancel();
    },
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return true;
  } catch {
    return new Promise((resolve) => setTimeout(resolve, 20, false));
  }
}
