import test from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LIMITS } from '#agent/sandbox/run-limits.ts';
import { endRun } from '#agent/sandbox/end-run.ts';
import { guardRun } from '#agent/sandbox/guard-run.ts';

const TASKS = 5;

test('a program that starts too much is ended for that, whatever memory its processes take together', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-guard-'));
  const child = spawn('sh', ['-c', `for n in $(seq ${4 * TASKS}); do sleep 60 & done; echo started; wait`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  const order = {
    program: '',
    trainDir: dir,
    predictDir: dir,
    outDir: dir,
    scratchDir: dir,
    paramsFile: '',
    answers: [],
    seed: 1,
    threads: 1,
    timeoutMs: 60_000,
    // Less than one process takes: both limits are passed at the same look.
    memoryMib: 0.1,
    onOutput: () => undefined,
    signal: new AbortController().signal,
  };
  const guard = guardRun(child, order, { ...DEFAULT_LIMITS, tasks: TASKS }, endRun(child, 'group'));
  try {
    await exited;
    t.like(guard.reason(), { exitClass: 'killed', words: `it started more than ${TASKS} processes and threads` });
  } finally {
    guard.stop();
    endRun(child, 'group').kill();
    await rm(dir, { recursive: true });
  }
});
