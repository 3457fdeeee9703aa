import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { requireSetting } from '#test/cluster/_harness.ts';

/** When a Job was first seen, and first seen complete; milliseconds of this machine's clock. */
export interface SeenJob {
  readonly name: string;
  readonly createdMs: number;
  completedMs: number | null;
}

export interface JobWatch {
  /** By name. */
  readonly jobs: ReadonlyMap<string, SeenJob>;
  close(): Promise<void>;
}

/** Watches the Jobs of a namespace by kubectl, so that both sides of a comparison are seen by the same eye. */
export function watchJobs(namespace: string): JobWatch {
  const columns = 'custom-columns=NAME:.metadata.name,DONE:.status.completionTime';
  const args = ['get', 'jobs', '--namespace', namespace, '--watch', '--no-headers', '--output', columns];
  const child = spawn(process.env['KUBECTL'] ?? 'kubectl', ['--kubeconfig', requireSetting('KUBECONFIG'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const closed = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  const jobs = new Map<string, SeenJob>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [name = '', done = '<none>'] = line.trim().split(/\s+/);
    const seen = jobs.get(name) ?? { name, createdMs: Date.now(), completedMs: null };
    if (done !== '<none>') seen.completedMs ??= Date.now();
    jobs.set(name, seen);
  });
  return {
    jobs,
    close: async () => {
      child.kill();
      await closed;
    },
  };
}
