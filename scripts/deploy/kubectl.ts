import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A problem that the person at the keyboard can solve: shown as its message alone. */
export class DeployRefusal extends Error {}

export interface RunOptions {
  /** Text for standard input: Secrets travel this way, never as arguments. */
  readonly input?: string;
  /** Lines of standard output are shown as they come. */
  readonly onLine?: (line: string) => void;
}

/** The kubectl program against one cluster. Calls that may be repeated are, while the cluster is too busy to answer. */
export interface Kubectl {
  /** Standard output; throws DeployRefusal with kubectl's own words when it fails. */
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  /** As `run`, but null when it fails because the object does not exist. */
  find(args: readonly string[]): Promise<string | null>;
}

export interface KubectlOptions {
  /** How long a busy cluster is asked again; two minutes unless told. */
  readonly patienceMs?: number;
  readonly pauseMs?: number;
  /** One line of progress. */
  readonly log?: (line: string) => void;
}

const PATIENCE_MS = 120_000;
const PAUSE_MS = 3000;
/** A repetition of any other call could have a second effect. */
const REPEATABLE: readonly string[] = ['apply', 'delete', 'get', 'patch', 'scale', 'wait'];
/** What an API server says that is starting, overloaded, or can't reach an admission webhook whose pod is being replaced. */
const BUSY =
  /\((InternalError|ServiceUnavailable|TooManyRequests|ServerTimeout|Timeout)\)|failed calling webhook|connection re(fused|set)|TLS handshake timeout|context deadline exceeded|etcdserver: /;

/** Finds kubectl: the program that KUBECTL names, else the first on PATH. Throws DeployRefusal when there is none. */
export function findKubectl(env: Readonly<Record<string, string | undefined>>): string {
  const named = env['KUBECTL'];
  if (named !== undefined && named !== '') return named;
  const found = findOnPath('kubectl', env);
  if (found === null) {
    throw new DeployRefusal(
      'kubectl was not found on PATH. Install it (https://kubernetes.io/docs/tasks/tools/), or name it: KUBECTL=/path/to/kubectl',
    );
  }
  return found;
}

/** The full path of a program on PATH, or null. */
export function findOnPath(name: string, env: Readonly<Record<string, string | undefined>>): string | null {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // the next folder
    }
  }
  return null;
}

/** kubectl with the arguments that choose the cluster. */
export function openKubectl(program: string, clusterArgs: readonly string[], settings: KubectlOptions = {}): Kubectl {
  const start = async (args: readonly string[], options: RunOptions): Promise<Ended> => {
    const untilMs = performance.now() + (settings.patienceMs ?? PATIENCE_MS);
    for (;;) {
      const ended = await runProgram(program, [...clusterArgs, ...args], options);
      const mayRepeat = ended.code !== 0 && REPEATABLE.includes(args[0] ?? '') && BUSY.test(ended.stderr);
      if (!mayRepeat || performance.now() > untilMs) return ended;
      settings.log?.(`the cluster is busy, asking again: ${summarize(ended.stderr).split('\n')[0] ?? ''}`);
      await pause(settings.pauseMs ?? PAUSE_MS);
    }
  };
  return {
    async run(args, options = {}) {
      const { code, stdout, stderr } = await start(args, options);
      if (code !== 0) throw new DeployRefusal(`kubectl ${args.slice(0, 3).join(' ')} failed: ${summarize(stderr)}`);
      return stdout;
    },
    async find(args) {
      const { code, stdout, stderr } = await start(args, {});
      if (code === 0) return stdout;
      if (/\(NotFound\)/.test(stderr)) return null;
      throw new DeployRefusal(`kubectl ${args.slice(0, 3).join(' ')} failed: ${summarize(stderr)}`);
    },
  };
}

function summarize(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('Warning:'));
  return lines.slice(-8).join('\n') || 'it said nothing';
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.on('error', (error) => reject(new DeployRefusal(`${program} could not be started: ${error.message}`)));
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
    // A program that ends before it has read all: its own message says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
