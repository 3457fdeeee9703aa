import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Confinement } from '#agent/sandbox/confinement.ts';
import type { ForkServer } from '#agent/sandbox/fork-server.ts';
import type { ProcessSandboxOptions } from '#agent/sandbox/process-sandbox.ts';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { DEFAULT_LIMITS } from '#agent/sandbox/run-limits.ts';
import { PYTHON } from '../_support/python.ts';

/** What can be taken away to see that something gets through then. The product has no such switch. */
export const LAYERS = ['bubblewrap', 'own user', 'Landlock', 'seccomp', 'limits', 'environment'] as const;
export type Layer = (typeof LAYERS)[number];

/** Small, so that the attacks on them are quick. */
const LIMITS = { ...DEFAULT_LIMITS, diskMib: 40, files: 2_000, tasks: 100 };
const NO_LIMITS = { diskMib: 1e6, files: 1e9, tasks: 60_000, fileMib: 4e6, openFiles: 1_000_000, reserveMib: 4e8 };
const PYTHON_DIR = new URL('../../agent/python/', import.meta.url).pathname;

const WEAKENING: Partial<Record<Layer, string>> = {
  Landlock: 'landlock.restrict = lambda *_: None',
  'own user': 'own_user.take_own_user = lambda *_: None',
  seccomp: 'seccomp.prepare = lambda tight: lambda: None',
};

/** The sandbox of solutions without the named layers. */
export async function weakenSandbox(
  dir: string,
  confinement: Confinement,
  without: readonly Layer[],
  forkServer?: ForkServer,
): Promise<Sandbox> {
  const has = (layer: Layer): boolean => !without.includes(layer);
  const options: ProcessSandboxOptions = {
    limits: has('limits') ? LIMITS : NO_LIMITS,
    environment: has('environment') ? {} : readEnvironment(),
    ...(forkServer !== undefined && { forkServer }),
  };
  return createProcessSandbox(
    PYTHON,
    {
      ...confinement,
      bubblewrap: has('bubblewrap') ? confinement.bubblewrap : null,
      script: await writeScript(dir, confinement.script, without),
    },
    options,
  );
}

function readEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

async function writeScript(dir: string, real: string, without: readonly Layer[]): Promise<string> {
  const lines = without.flatMap((layer) => WEAKENING[layer] ?? []);
  if (lines.length === 0) return real;
  const home = join(dir, `weak-${without.join('-').replaceAll(' ', '-')}`);
  await mkdir(home, { recursive: true });
  const path = join(home, 'confine.py');
  const head = ['import sys', `sys.path.insert(0, ${JSON.stringify(PYTHON_DIR)})`, 'from confinement import landlock, own_user, seccomp'];
  await writeFile(path, [...head, ...lines, 'from confinement.cli import main', 'sys.exit(main(sys.argv[1:]))', ''].join('\n'));
  return path;
}
