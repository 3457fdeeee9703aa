import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import type { AttackPlace } from './place.ts';
import { DAEMON_WORD, DAEMONS, ENDINGS } from './endings.ts';
import { CANARY_PREFIX, countProcesses, makeAttackRun, readProgram } from './place.ts';

/** What became of one attack. */
export interface AttackResult {
  readonly attack: string;
  readonly through: boolean;
  /** What stopped it, or what got through. */
  readonly stoppedBy: string;
  readonly ms: number;
}

const TRY_PROGRAMS = ['secrets', 'sockets', 'calls', 'tamper'] as const;
const Tries = z.array(z.object({ name: z.string(), through: z.boolean(), result: z.string(), ms: z.number() }));
const DAEMON_PATIENCE_MS = 1_000;

/** Programs that try one thing after another. */
export async function runTries(sandbox: Sandbox, place: AttackPlace): Promise<AttackResult[]> {
  const results: AttackResult[] = [];
  for (const kind of TRY_PROGRAMS) {
    const run = await makeAttackRun(place, await readProgram(place, `${kind}.py`), {});
    const outcome = await sandbox.run(run.order);
    const text = await readFile(join(run.order.outDir, 'tries.json'), 'utf8').catch(() => '[]');
    for (const { name, through, result, ms } of Tries.parse(JSON.parse(text))) {
      results.push({ attack: `${kind}: ${name}`, through, stoppedBy: through ? result : nameLayer(name, result, sandbox), ms });
    }
    const leaked = `${run.output()}${outcome.tail}`.includes(CANARY_PREFIX);
    results.push({ attack: `${kind}: a secret in the output`, through: leaked, stoppedBy: leaked ? 'OPEN' : 'none was found', ms: 0 });
    if (outcome.exitClass !== 'ok') {
      results.push({
        attack: `${kind}: carried out`,
        through: true,
        stoppedBy: `${outcome.exitClass}: ${outcome.tail.slice(-300)}`,
        ms: 0,
      });
    }
  }
  return results;
}

/** By what the kernel answered. Both of two layers may stop an attack: the outer one answers. */
function nameLayer(name: string, result: string, { layers }: Sandbox): string {
  const wrapped = layers.includes('bubblewrap');
  if (/signal/.test(name)) return `${result === 'ESRCH' ? 'bubblewrap' : 'Landlock'} (${result})`;
  if (name === 'take rights of a group' || name === 'raise its own limits') return wrapped ? `bubblewrap (${result})` : 'no capability';
  if (name === 'its environment') return 'environment (empty)';
  if (result === 'EACCES') return 'Landlock (EACCES)';
  if (['EPERM', 'ENOSYS', 'EAFNOSUPPORT'].includes(result)) return `seccomp (${result})`;
  if (['ENOENT', 'ENOTDIR', 'ESRCH'].includes(result)) return `${wrapped ? 'bubblewrap' : 'not on this machine'} (${result})`;
  // No number of an error: the resolver's own.
  if (result.startsWith('-')) return 'seccomp (no socket to ask with)';
  if (result === 'EROFS') return 'bubblewrap (EROFS)';
  return result === 'EBADF' ? 'closed descriptors' : result;
}

/** Programs that use up something, and such that leave something behind. */
export async function runEndings(sandbox: Sandbox, place: AttackPlace): Promise<AttackResult[]> {
  const results: AttackResult[] = [];
  for (const { name, program, ends, layer, timeoutMs = 60_000 } of ENDINGS) {
    const { order } = await makeAttackRun(place, program, { timeoutMs });
    const { exitClass, seconds, tail } = await sandbox.run(order);
    const through = !ends.includes(exitClass);
    const words = tail.split('\n').at(-1)?.slice(0, 80) ?? '';
    results.push({
      attack: `ends: ${name}`,
      through,
      stoppedBy: through ? `ended as ${exitClass}` : `${layer} (${exitClass}: ${words})`,
      ms: seconds * 1000,
    });
  }
  results.push(await runFlood(sandbox, place));
  for (const { name, program } of DAEMONS) results.push(await runDaemon(sandbox, place, name, program));
  return results;
}

async function runFlood(sandbox: Sandbox, place: AttackPlace): Promise<AttackResult> {
  const program = 'import sys\nfor _ in range(20_000): sys.stdout.write("x" * 9_999 + "\\n")';
  const run = await makeAttackRun(place, program, { timeoutMs: 60_000 });
  const { seconds } = await sandbox.run(run.order);
  const chars = run.output().length;
  return {
    attack: 'ends: 200 MB of output',
    through: chars > 1e6,
    stoppedBy: `output limit (${chars} characters kept)`,
    ms: seconds * 1000,
  };
}

async function runDaemon(sandbox: Sandbox, place: AttackPlace, name: string, program: string): Promise<AttackResult> {
  const word = `${DAEMON_WORD}-${randomUUID()}`;
  const { order } = await makeAttackRun(place, program.replace('WORD', word), {});
  const { exitClass, tail } = await sandbox.run(order);
  const startMs = performance.now();
  let left = await countProcesses(word);
  while (left.length > 0 && performance.now() - startMs < DAEMON_PATIENCE_MS) {
    await pause(20);
    left = await countProcesses(word);
  }
  for (const pid of left) process.kill(pid, 'SIGKILL');
  const through = left.length > 0 || exitClass !== 'ok';
  const layer = sandbox.layers.includes('bubblewrap') ? 'bubblewrap (its namespace ended)' : 'supervisor';
  return {
    attack: `ends: ${name}`,
    through,
    stoppedBy: through ? `${exitClass}, ${left.length} left ${tail}` : layer,
    ms: performance.now() - startMs,
  };
}
