import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { SolutionRun } from './sandbox.ts';

const CONFINE_SCRIPT = fileURLToPath(new URL('../python/confine.py', import.meta.url));
const START_SCRIPT = fileURLToPath(new URL('../python/confinement/start.py', import.meta.url));
const PROBE_TIMEOUT_MS = 20_000;
/** Below this version of Landlock a run could signal, and so tell something to, other processes of the same user. */
const LANDLOCK_WITH_SCOPES = 6;

/** What takes rights from each run: who a run is then cannot reach the network, other files, other runs. `null` where it does not load. */
export interface Confinement {
  readonly python: string;
}

/** What this machine can enforce. `problems`: one line each, for people; none when `confinement` is complete. */
export interface ConfinementProbe {
  readonly confinement: Confinement | null;
  readonly problems: readonly string[];
}

const ProbeReply = z.object({ seccomp: z.boolean(), landlock: z.int(), problems: z.array(z.string()) });
const probes = new Map<string, Promise<ConfinementProbe>>();

/** Tries, once a process and Python, whether confinement loads and Python's packages work under it. Never throws. */
export async function probeConfinement(python: string): Promise<ConfinementProbe> {
  const known = probes.get(python);
  if (known !== undefined) return known;
  const probe = tryConfinement(python);
  probes.set(python, probe);
  return probe;
}

async function tryConfinement(python: string): Promise<ConfinementProbe> {
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-probe-'));
  try {
    const { stdout } = await runPython(python, [CONFINE_SCRIPT, '--probe'], dir);
    const found = ProbeReply.parse(JSON.parse(stdout));
    if (!found.seccomp || found.landlock < LANDLOCK_WITH_SCOPES) return { confinement: null, problems: found.problems };
    // The libraries may lie where the list does not lead.
    await runPython(python, [...writeConfineArguments([], [dir]), python, '-I', '-c', 'import numpy'], dir);
    return { confinement: { python }, problems: [] };
  } catch (error) {
    return { confinement: null, problems: [describeProbeError(error)] };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function runPython(python: string, args: readonly string[], cwd: string): Promise<{ stdout: string }> {
  return promisify(execFile)(python, ['-I', ...args], { cwd, env: { LANG: 'C.UTF-8' }, timeout: PROBE_TIMEOUT_MS });
}

function describeProbeError(error: unknown): string {
  const { stderr, message } =
    error instanceof Error ? { stderr: '', ...error, message: error.message } : { stderr: '', message: String(error) };
  const last = String(stderr).trim().split('\n').at(-1);
  return `programs cannot be confined here: ${(last || message).slice(0, 300)}`;
}

function writeConfineArguments(read: readonly string[], write: readonly string[]): string[] {
  const lists = [...read.flatMap((path) => ['--read', path]), ...write.flatMap((path) => ['--write', path])];
  return [CONFINE_SCRIPT, '--supervise', '--deny-unix', ...lists, '--'];
}

/** The command of one run: Python with the program, alone or under the confinement. */
export function writeCommand(python: string, order: SolutionRun, confinement: Confinement | null): string[] {
  if (confinement === null) return [python, '-I', order.program];
  const read = [order.program, order.trainDir, order.predictDir, order.paramsFile];
  const confine = writeConfineArguments(read, [order.outDir, order.scratchDir]);
  return [confinement.python, '-I', ...confine, python, '-I', START_SCRIPT, order.program];
}
