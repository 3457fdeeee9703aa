import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox, SolutionRun } from '#agent/sandbox/sandbox.ts';
import { PYTHON } from '#test/_support/python.ts';
import { createForkServer } from '#agent/sandbox/fork-server.ts';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { startHarness } from '#agent/evaluate/harness-client.ts';

const ROWS = 50_000;
const ROUNDS = 7;
const MEDIA_FILES = 10_000;
const MEDIA_BYTES = 8_000;
const STAGING_GOAL_S = 10;
const USAGE = 'npm run bench:sandbox: what a run in each sandbox takes longer than the bare interpreter, medians of interleaved rounds';

/** Reads, fits, predicts, writes: what a quick solution does at this size. */
const PROGRAM = `
import sys
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
at = lambda name: sys.argv[sys.argv.index(name) + 1]
train, rows = pd.read_csv(at('--train') + '/train.csv'), pd.read_csv(at('--predict') + '/rows.csv')
features = [c for c in rows.columns if c != 'key']
model = Ridge().fit(train[features], train['y'])
pd.DataFrame({'key': rows['key'], 'y': model.predict(rows[features])}).to_csv(at('--out') + '/scores.csv', index=False)
`;

async function main(): Promise<number> {
  if (process.argv.length > 2) {
    process.stdout.write(`${USAGE}\n`);
    return process.argv[2] === '--help' ? 0 : 64;
  }
  const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-bench-'));
  try {
    const order = await makeOrder(dir);
    const forkServer = createForkServer(PYTHON, (threads) => ({
      LANG: 'C.UTF-8',
      OMP_NUM_THREADS: threads,
      OPENBLAS_NUM_THREADS: threads,
    }));
    const { confinement, missing } = await probeConfinement(PYTHON);
    const sandboxes: [string, Sandbox | null][] = [['bare interpreter', null]];
    sandboxes.push(['limits only', createProcessSandbox(PYTHON)]);
    if (confinement !== null) {
      const plain = { ...confinement, bubblewrap: null };
      sandboxes.push(['Landlock and seccomp', createProcessSandbox(PYTHON, plain)]);
      sandboxes.push(['the same, forked', createProcessSandbox(PYTHON, plain, { forkServer })]);
      if (confinement.bubblewrap !== null) sandboxes.push(['bubblewrap too', createProcessSandbox(PYTHON, confinement)]);
    }
    const times = sandboxes.map((): number[] => []);
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const [index, [, sandbox]] of sandboxes.entries()) {
        const ms = await timeRun(order, sandbox);
        // The first round warms the disk's cache.
        if (round > 0) times[index]?.push(ms);
      }
    }
    const bareMs = findMedian(times[0] ?? []);
    const goalMs = 100 + 0.02 * bareMs;
    for (const [index, [name]] of sandboxes.entries()) {
      const ms = findMedian(times[index] ?? []);
      process.stdout.write(
        `${name.padEnd(22)} ${ms.toFixed(0)} ms, ${(ms - bareMs).toFixed(0)} ms more (goal: under ${goalMs.toFixed(0)})\n`,
      );
    }
    for (const line of missing) process.stdout.write(`not measured: ${line}\n`);
    process.stdout.write(`${await measureStaging(dir)}\n`);
    await forkServer.close();
    return 0;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What it takes to lay out the folders of runs whose rows name ten thousand files. */
async function measureStaging(dir: string): Promise<string> {
  const data = join(dir, 'media');
  await mkdir(join(data, 'images'), { recursive: true });
  const bytes = new Uint8Array(MEDIA_BYTES);
  for (let i = 0; i < MEDIA_FILES; i += 1) {
    bytes.set([i % 256, Math.floor(i / 256)]);
    await writeFile(join(data, 'images', `${i}.png`), bytes);
  }
  const tests = MEDIA_FILES / 5;
  const lines = (from: number, to: number, label: boolean) =>
    Array.from({ length: to - from }, (_, i) => `${from + i}.png${label ? `,${(from + i) % 2}` : ''}`).join('\n');
  await writeFile(join(data, 'train.csv'), `image,y\n${lines(0, MEDIA_FILES - tests, true)}\n`);
  await writeFile(join(data, 'test.csv'), `image\n${lines(MEDIA_FILES - tests, MEDIA_FILES, false)}\n`);
  const harness = startHarness({ python: PYTHON, threads: 1, env: { PATH: process.env['PATH'] }, timeoutMs: 300_000 });
  try {
    const metric = { id: 'auc', direction: 'maximize', display_name: 'auc', source: 'api', proxy: false, k: null } as const;
    const profile = await harness.profile({ data_dir: data, description: '', slug: 'bench', metric });
    await harness.fixTask({ data_dir: data, work_dir: join(dir, 'work'), profile, metric, seed: 1 });
    const { seconds, runs } = await harness.cut({ fold_count: 5 });
    const each = seconds / runs.length;
    return `staging ${MEDIA_FILES} files of ${MEDIA_BYTES / 1000} kB for a run: ${each.toFixed(1)} s (goal: under ${STAGING_GOAL_S}); all ${runs.length} folds: ${seconds.toFixed(1)} s`;
  } finally {
    await harness.close();
  }
}

async function makeOrder(dir: string): Promise<SolutionRun> {
  const place = (name: string): string => join(dir, name);
  for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(place(name));
  const lines = Array.from({ length: ROWS }, (_, row) =>
    Array.from({ length: 10 }, (__, column) => ((row * (column + 7)) % 997) / 997).join(','),
  );
  const names = Array.from({ length: 10 }, (_, column) => `c${column}`).join(',');
  await writeFile(place('train/train.csv'), `key,${names},y\n${lines.map((line, row) => `${row},${line},${row % 13}`).join('\n')}\n`);
  await writeFile(place('predict/rows.csv'), `key,${names}\n${lines.map((line, row) => `${row},${line}`).join('\n')}\n`);
  await writeFile(place('solution.py'), PROGRAM);
  await writeFile(place('params.json'), '{}');
  return {
    program: place('solution.py'),
    trainDir: place('train'),
    predictDir: place('predict'),
    outDir: place('out'),
    scratchDir: place('scratch'),
    paramsFile: place('params.json'),
    answers: ['scores.csv'],
    seed: 1,
    threads: 1,
    timeoutMs: 300_000,
    memoryMib: 2_000,
    onOutput: () => undefined,
    signal: new AbortController().signal,
  };
}

async function timeRun(order: SolutionRun, sandbox: Sandbox | null): Promise<number> {
  // As in life: a run's own folders are new, and it may be another user than the one before.
  for (const dir of [order.outDir, order.scratchDir]) {
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir);
  }
  const startMs = performance.now();
  if (sandbox === null) {
    const args = ['-I', order.program, '--train', order.trainDir, '--predict', order.predictDir, '--out', order.outDir];
    const threads = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    const child = spawn(PYTHON, args, {
      stdio: 'ignore',
      cwd: order.scratchDir,
      env: { LANG: 'C.UTF-8', HOME: order.scratchDir, ...threads },
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the bare run ended with code ${code}`);
  } else {
    const { exitClass, tail } = await sandbox.run(order);
    if (exitClass !== 'ok') throw new Error(`a run ended as ${exitClass}: ${tail}`);
  }
  return performance.now() - startMs;
}

function findMedian(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

process.exitCode = await main();
