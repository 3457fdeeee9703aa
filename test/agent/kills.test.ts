import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { ArtifactStore } from '#core/ports.ts';
import type { JobSpec } from '#core/job-spec.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { makeSpec } from '../_support/agent-parts.ts';
import { makeStore, readValidManifest } from '../_support/agent-store.ts';
import { PYTHON } from '../_support/python.ts';
import { waitUntil } from '../_support/wait-until.ts';
import { makeCsv, makeRandom } from './python/_harness.ts';

const CHILD = fileURLToPath(new URL('_kill-child.ts', import.meta.url));
const { confinement } = await probeConfinement(PYTHON);
const TIERS = confinement?.bubblewrap === null ? [false] : [true, false];

const random = makeRandom(4);
const FILES = (() => {
  const rows = Array.from({ length: 1_300 }, (_, i) => {
    const [a, b, c, level] = [random(), random(), random(), Math.floor(random() * 6)];
    return [10_000 + i, a.toFixed(5), b.toFixed(5), c.toFixed(5), level, a + b + random() > 1.5 ? 1 : 0];
  });
  const names = ['id', 'a', 'b', 'c', 'level'];
  return {
    'train.csv': makeCsv([...names, 'target'], 1_000, (i) => rows[i] ?? []),
    'test.csv': makeCsv(names, 300, (i) => (rows[1_000 + i] ?? []).slice(0, 5)),
    'sample_submission.csv': makeCsv(['id', 'target'], 300, (i) => [11_000 + i, 0.5]),
  };
})();

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

async function listProcesses(): Promise<Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [stat, command] = await Promise.all(
        ['stat', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      const [state = '', parent = ''] = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ');
      return state === '' || state === 'Z' ? [] : [{ pid: Number(pid), parent: Number(parent), command: command ?? '' }];
    }),
  );
  return found.flat();
}

/** Everything that descends from a process. */
async function listDescendants(root: number): Promise<Process[]> {
  const all = await listProcesses();
  const found = new Set([root]);
  for (let before = 0; before !== found.size;) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return all.filter(({ pid }) => pid !== root && found.has(pid));
}

type Victim = 'grader' | 'supervisor' | 'agent';

/** What is killed: the agent itself, its grader, or the outermost process of a run. */
async function findVictim(agent: number, victim: Victim): Promise<number | null> {
  if (victim === 'agent') return agent;
  const below = await listDescendants(agent);
  const isIt = ({ command, parent }: Process): boolean =>
    victim === 'grader' ? command.includes('harness.py') : parent === agent && /bwrap|confine\.py/.test(command);
  return below.find(isIt)?.pid ?? null;
}

/** Kills a process; false if there is none, or it ended since it was found. */
function kill(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

async function startAttempt(dir: string, spec: JobSpec, bubblewrap: boolean, sleepS = 0): Promise<{ child: Child; output: () => string }> {
  const path = join(dir, `order-${spec.attempt}.json`);
  await writeFile(path, JSON.stringify({ dir, spec, bubblewrap, sleepS, files: FILES }));
  const child = spawn(process.execPath, [CHILD, path], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  return { child, output: () => output };
}

/** Scores that each solution's grading gave, by its title, over all attempts. */
async function readScores(store: ArtifactStore, jobId: string): Promise<Map<string, number>> {
  const { entries } = verifyJournal(await readSegments(store, jobId));
  const scores = new Map<string, number>();
  for (const { fact } of entries) {
    if (fact.type !== 'solution-finished' || fact.report.score === null) continue;
    const known = scores.get(fact.report.title);
    if (known !== undefined && known !== fact.report.score.score) throw new Error(`${fact.report.title} has two scores`);
    scores.set(fact.report.title, fact.report.score.score);
  }
  return scores;
}

/** When to strike: the line of the agent's log that was seen, and how long after it. */
const MOMENTS = [
  { after: /solution 1 \S+\] learning/, delayMs: 0 },
  { after: /solution 1: program-1: /, delayMs: 15 },
  { after: /solution 2 \S+\] answered/, delayMs: 5 },
  { after: /solution 3 \S+\] learning/, delayMs: 40 },
  { after: /solution 3: program-3: /, delayMs: 0 },
];

let undisturbed: Promise<Map<string, number>> | null = null;

/** The scores of an attempt that nobody disturbs, worked out once. */
async function findTruth(t: ExecutionContext): Promise<Map<string, number>> {
  undisturbed ??= (async () => {
    const { dir, store } = await makeStore(t);
    const spec = makeSpec({ seed: 3, remainingS: 100, resources: { cpuMillis: 2_000, memoryMib: 2_048 } });
    const { child, output } = await startAttempt(dir, spec, TIERS[0] ?? false);
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(output());
    return readScores(store, spec.jobId);
  })();
  return undisturbed;
}

for (const bubblewrap of TIERS) {
  for (const victim of ['grader', 'supervisor', 'agent'] as const) {
    test.serial(
      `the ${victim} killed at any of ${MOMENTS.length} moments${bubblewrap ? ' (in bubblewrap)' : ''}: nothing is left, no score is wrong`,
      async (t) => {
        t.timeout(240_000);
        const truth = await findTruth(t);
        t.true(['program-1', 'program-2', 'program-3'].every((name) => truth.has(name)));
        let strikes = 0;
        for (const { after, delayMs } of MOMENTS) {
          const { dir, store } = await makeStore(t);
          const spec = makeSpec({ seed: 3, remainingS: 100, resources: { cpuMillis: 2_000, memoryMib: 2_048 } });
          const title = `${victim} after ${after.source}`;
          const { child, output } = await startAttempt(dir, spec, bubblewrap);
          t.teardown(() => child.kill('SIGKILL'));
          const ended = once(child, 'exit') as Promise<[number | null]>;
          await waitUntil(`${title}: the moment`, () => Promise.resolve(after.test(output()) || child.exitCode !== null), 60_000);
          await pause(delayMs);
          const all = await listDescendants(child.pid ?? -1);
          let struck = false;
          while (!struck && child.exitCode === null) struck = kill(await findVictim(child.pid ?? -1, victim));
          if (struck) strikes += 1;
          const [code] = await ended;
          if (victim === 'agent') t.is(code, null, title);
          else t.is(code, 0, `${title}\n${output().slice(-3000)}`);
          const isGone = async () => {
            const living = await listProcesses();
            const pids = new Set(all.map(({ pid }) => pid));
            return !living.some(({ pid, command }) => (pids.has(pid) && /python|bwrap|sh/.test(command)) || command.includes(dir));
          };
          await waitUntil(`${title}: no process to be left`, isGone, 10_000);
          let attempt = 1;
          if (victim === 'agent') {
            attempt = 2;
            const next = await startAttempt(dir, { ...spec, attempt }, bubblewrap);
            t.is(((await once(next.child, 'exit')) as [number | null])[0], 0, `${title}\n${next.output().slice(-3000)}`);
          }
          const manifest = await readValidManifest(store, spec.jobId, attempt);
          const scores = await readScores(store, spec.jobId);
          for (const [name, score] of scores)
            t.true(!truth.has(name) || Math.abs(score - (truth.get(name) ?? 0)) < 1e-12, `${title}: ${name} ${score}`);
          if (victim === 'agent') t.deepEqual([...scores.keys()].toSorted(), [...truth.keys()].toSorted(), title);
          t.true([...scores.values()].includes(manifest.cv?.score ?? NaN), title);
        }
        t.true(strikes >= MOMENTS.length - 1, `${strikes} strikes`);
      },
    );
  }

  for (const victim of ['supervisor', 'agent'] as const) {
    test.serial(
      `the ${victim} killed in the middle of a long run${bubblewrap ? ' (in bubblewrap)' : ''}: the run ends with it`,
      async (t) => {
        t.timeout(60_000);
        const { dir } = await makeStore(t);
        const spec = makeSpec({ seed: 3, remainingS: 100, resources: { cpuMillis: 1_000, memoryMib: 2_048 } });
        const { child, output } = await startAttempt(dir, spec, bubblewrap, 50);
        t.teardown(() => child.kill('SIGKILL'));
        const ended = once(child, 'exit');
        await waitUntil('the run', () => Promise.resolve(output().includes('] learning')), 30_000);
        const struck = (await findVictim(child.pid ?? -1, victim)) ?? -1;
        const below = await listDescendants(struck);
        t.true(below.length > 0);
        process.kill(struck, 'SIGKILL');
        const pids = new Set(below.map(({ pid }) => pid));
        await waitUntil('its processes to be gone', async () => !(await listProcesses()).some(({ pid }) => pids.has(pid)), 3_000);
        child.kill('SIGKILL');
        await ended;
      },
    );
  }
}
