import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { openKubectl } from '../../scripts/deploy/kubectl.ts';
import { requireSetting } from './_harness.ts';

const program = () => process.env['KUBECTL'] ?? 'kubectl';
const clusterArgs = () => ['--kubeconfig', requireSetting('KUBECONFIG')];

/** What a program printed; throws an Error with its own words when it fails. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: options.env ?? process.env });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args.slice(0, 4).join(' ')} ended with ${code}: ${stderr.slice(-2000)}`);
  return stdout;
}

/** One call of kubectl; a cluster under load is asked again. */
export function kubectl(args: readonly string[], input?: string): Promise<string> {
  return openKubectl(program(), clusterArgs()).run(args, input === undefined ? {} : { input });
}

/** A port of this machine that leads to a Service of namespace `plane`. */
export interface Forward {
  readonly port: number;
  close(): Promise<void>;
}

/** Opens a way to a Service; throws when kubectl ends before it is open. */
export async function forwardPort(service: string, port: number): Promise<Forward> {
  const args = [...clusterArgs(), 'port-forward', '--namespace', 'plane', `service/${service}`, `:${port}`];
  const child = spawn(program(), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  const local = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line);
      if (match?.[1] !== undefined) resolve(Number(match[1]));
    });
    void closed.then(() => reject(new Error(`no way to ${service}:${port}`)));
  });
  return {
    port: local,
    close: async () => {
      child.kill();
      await closed;
    },
  };
}
