import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Bubblewrap } from './bubblewrap.ts';
import type { SolutionRun } from './sandbox.ts';
import { findBubblewrap, writeBubblewrapCommand } from './bubblewrap.ts';

/** Seccomp and Landlock, in the program's own process. */
export const CONFINE_SCRIPT = fileURLToPath(new URL('../python/confine.py', import.meta.url));
const PACKAGE_DIR = fileURLToPath(new URL('../python/confinement', import.meta.url));
const START_SCRIPT = join(PACKAGE_DIR, 'start.py');
const PROBE_TIMEOUT_MS = 20_000;
/** Below this version of Landlock a run could signal, and so tell something to, other processes of the same user. */
const LANDLOCK_WITH_SCOPES = 6;

/** What takes rights from each run: who a run is then cannot reach the network, other files, other runs. `null` where it does not load. */
export interface Confinement {
  readonly python: string;
  /** A run can become a user of its own: this is root, with root's rights. */
  readonly ownUser: boolean;
  /** Namespaces around it, where they are to be had. */
  readonly bubblewrap: Bubblewrap | null;
  /** `CONFINE_SCRIPT`. */
  readonly script: string;
}

/** What this machine can enforce. `problems`: one line each, for people; `missing`: what would add a layer, and how to get it. */
export interface ConfinementProbe {
  readonly confinement: Confinement | null;
  readonly problems: readonly string[];
  readonly missing: readonly string[];
}

const ProbeReply = z.object({
  seccomp: z.boolean(),
  landlock: z.int(),
  own_user: z.boolean(),
  problems: z.array(z.string()),
  python_places: z.array(z.string().startsWith('/')),
});
const probes = new Map<string, Promise<ConfinementProbe>>();

/** Tries, once a process and Python, whether confinement loads, and whether bubblewrap starts. Never throws. */
export async function probeConfinement(python: string, bubblewrapPath: string | null = findBubblewrap()): Promise<ConfinementProbe> {
  const key = `${python}\0${bubblewrapPath ?? ''}`;
  const known = probes.get(key);
  if (known !== undefined) return known;
  const probe = tryConfinement(python, bubblewrapPath);
  probes.set(key, probe);
  return probe;
}

async function tryConfinement(python: string, bubblewrapPath: string | null): Promise<ConfinementProbe> {
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-probe-'));
  try {
    const { stdout } = await runCommand([python, '-I', CONFINE_SCRIPT, '--probe'], dir);
    const found = ProbeReply.parse(JSON.parse(stdout));
    if (!found.seccomp || found.landlock < LANDLOCK_WITH_SCOPES) return { confinement: null, problems: found.problems, missing: [] };
    const wrapped = await tryBubblewrap(bubblewrapPath, found.python_places, python, dir);
    const bubblewrap = typeof wrapped === 'string' ? null : wrapped;
    const missing = typeof wrapped === 'string' ? [wrapped] : [];
    return { confinement: { python, ownUser: found.own_user, bubblewrap, script: CONFINE_SCRIPT }, problems: [], missing };
  } catch (error) {
    return { confinement: null, problems: [`programs cannot be confined here: ${describeProbeError(error)}`], missing: [] };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Bubblewrap if Python starts inside it, else what is missing. */
async function tryBubblewrap(
  path: string | null,
  pythonPlaces: readonly string[],
  python: string,
  dir: string,
): Promise<Bubblewrap | string> {
  if (path === null) return 'bubblewrap is not installed (apt install bubblewrap, or dnf install bubblewrap)';
  const bubblewrap = { path, pythonPlaces };
  try {
    await runCommand([...writeBubblewrapCommand(bubblewrap, { read: [], write: [dir], workDir: dir }), python, '-I', '-c', ''], dir);
    return bubblewrap;
  } catch (error) {
    return `bubblewrap does not work here (${describeProbeError(error)}): allow user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)`;
  }
}

async function runCommand([program = '', ...args]: readonly string[], cwd: string): Promise<{ stdout: string }> {
  return promisify(execFile)(program, args, { cwd, env: { LANG: 'C.UTF-8' }, timeout: PROBE_TIMEOUT_MS });
}

function describeProbeError(error: unknown): string {
  const { stderr, message } =
    error instanceof Error ? { stderr: '', ...error, message: error.message } : { stderr: '', message: String(error) };
  const last = String(stderr).trim().split('\n').at(-1);
  return (last || message).slice(0, 300);
}

/** What stands between a run and this machine, outermost first. */
export function listLayers(confinement: Confinement | null): string[] {
  if (confinement === null) return ['limits'];
  const around = confinement.bubblewrap !== null ? ['bubblewrap'] : confinement.ownUser ? ['own user'] : [];
  return [...around, 'Landlock', 'seccomp', 'limits'];
}

/** The command of one run: Python with the program, alone or under the confinement. `tasks`: how many processes and threads it may have. */
export function writeCommand(python: string, order: SolutionRun, confinement: Confinement | null, tasks: number): string[] {
  if (confinement === null) return [python, '-I', order.program];
  const { bubblewrap, script } = confinement;
  const read = [order.program, order.trainDir, order.predictDir, order.paramsFile];
  const write = [order.outDir, order.scratchDir];
  const lists = [...read.flatMap((path) => ['--read', path]), ...write.flatMap((path) => ['--write', path])];
  const inner = [confinement.python, '-I', script, '--deny-unix', ...lists];
  const program = ['--', python, '-I', START_SCRIPT, order.program];
  if (bubblewrap === null) return [...inner, '--own-user', String(tasks), '--supervise', ...program];
  const outer = writeBubblewrapCommand(bubblewrap, {
    read: [dirname(script), PACKAGE_DIR, ...read],
    write,
    workDir: order.scratchDir,
  });
  // In a user namespace of its own the kernel counts this run's processes alone.
  return [...outer, ...inner, '--tasks', String(tasks), ...program];
}
