import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly ended: Promise<CliEnd>;
  /** What it has said so far. */
  readonly output: { stdout: string; stderr: string };
  signal(name: NodeJS.Signals): void;
}

/** Starts the command line as a process of its own, both streams piped. Ended with the test. */
export function startCli(t: ExecutionContext<unknown>, args: readonly string[], env: Readonly<Record<string, string>> = {}): CliProcess {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = new Promise<CliEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return { ended, output, signal: (name) => void child.kill(name) };
}

/** Runs the command line against a service and waits for its end. */
export function runCli(t: ExecutionContext<unknown>, url: string, ...args: string[]): Promise<CliEnd> {
  return startCli(t, args, { KAGGLE_AGENT_URL: url }).ended;
}
