import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Confinement } from '#agent/sandbox/confinement.ts';
import type { RunOutcome, SolutionRun } from '#agent/sandbox/sandbox.ts';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { PYTHON } from '../../_support/python.ts';
import { makeTempDir } from '../../_support/kaggle-stand-in.ts';
import { waitUntil } from '../../_support/wait-until.ts';

const MODES: readonly [name: string, confinement: Confinement | null][] = [
  ['', null],
  [' (confined)', { python: PYTHON }],
];

async function runProgram(
  t: ExecutionContext,
  program: string,
  change: Partial<SolutionRun> = {},
  confinement: Confinement | null = null,
): Promise<RunOutcome & { dir: string; output: string }> {
  const dir = await makeTempDir(t);
  for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(join(dir, name));
  await writeFile(join(dir, 'solution.py'), program);
  await writeFile(join(dir, 'params.json'), '{}');
  let output = '';
  const outcome = await createProcessSandbox(PYTHON, confinement).run({
    program: join(dir, 'solution.py'),
    trainDir: join(dir, 'train'),
    predictDir: join(dir, 'predict'),
    outDir: join(dir, 'out'),
    scratchDir: join(dir, 'scratch'),
    paramsFile: join(dir, 'params.json'),
    seed: 3,
    threads: 1,
    timeoutMs: 30_000,
    memoryMib: 1000,
    onOutput: (chunk) => {
      output += chunk;
    },
    signal: new AbortController().signal,
    ...change,
  });
  return { ...outcome, dir, output };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

for (const [mode, confinement] of MODES) {
  test(`a run gets the contract’s arguments, an empty environment, no input and its scratch folder${mode}`, async (t) => {
    const program = `
import json, os, sys
out = sys.argv[sys.argv.index('--out') + 1]
json.dump({'argv': sys.argv[1:], 'env': dict(os.environ), 'cwd': os.getcwd(), 'stdin': sys.stdin.read(), 'sid': os.getsid(0) == os.getpid()}, open(out + '/seen.json', 'w'))
`;
    const outcome = await runProgram(t, program, {}, confinement);
    t.is(outcome.exitClass, 'ok', outcome.tail);
    const seen = JSON.parse(await readFile(join(outcome.dir, 'out', 'seen.json'), 'utf8')) as Record<string, unknown>;
    const { dir } = outcome;
    const folders = ['--train', `${dir}/train`, '--predict', `${dir}/predict`, '--out', `${dir}/out`];
    t.deepEqual(seen['argv'], [...folders, '--params', `${dir}/params.json`, '--seed', '3', '--threads', '1', '--deadline', '30.0']);
    const names = Object.keys(seen['env'] as object).filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD', 'LC_CTYPE'].includes(name));
    t.deepEqual(names.toSorted(), [
      'HOME',
      'LANG',
      'MKL_NUM_THREADS',
      'OMP_NUM_THREADS',
      'OPENBLAS_NUM_THREADS',
      'PYTHONDONTWRITEBYTECODE',
      'TMPDIR',
    ]);
    t.is(seen['cwd'], `${dir}/scratch`);
    t.is(seen['stdin'], '');
    t.true(seen['sid']);
  });
}

const ENDS: readonly [title: string, program: string, change: Partial<SolutionRun>, exitClass: RunOutcome['exitClass'], tail: RegExp][] = [
  ['a syntax error', 'def (', {}, 'syntax', /SyntaxError/],
  ['a missing package', 'import no_such_package', {}, 'import', /no_such_package/],
  ['an exception', 'raise ValueError("no rows")', {}, 'crashed', /no rows/],
  ['a missing file', 'open("train.csv")', {}, 'data', /FileNotFoundError/],
  ['an endless loop', 'while True: pass', { timeoutMs: 500 }, 'timeout', /^/],
  [
    'one that ignores TERM',
    'import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)',
    { timeoutMs: 1500 },
    'timeout',
    /^/,
  ],
  ['too much memory', 'import time\nx = bytearray(400 << 20)\ntime.sleep(30)', { memoryMib: 150 }, 'oom', /^/],
  ['its own MemoryError', 'raise MemoryError()', {}, 'oom', /MemoryError/],
];
for (const [mode, confinement] of MODES) {
  for (const [title, program, change, exitClass, tail] of ENDS) {
    test(`a run that ends by ${title} is of class ${exitClass}${mode}`, async (t) => {
      const outcome = await runProgram(t, program, change, confinement);
      t.is(outcome.exitClass, exitClass, outcome.tail);
      t.regex(outcome.tail, tail);
      t.true(outcome.seconds < 20);
    });
  }
}

for (const [mode, confinement] of MODES) {
  test(`a child that outlives its parent, holding the pipes open, ends with the run${mode}`, async (t) => {
    const program = `
import os, sys, time
pid = os.fork()
if pid == 0:
    time.sleep(60)
print(pid, flush=True)
`;
    const outcome = await runProgram(t, program, {}, confinement);
    t.is(outcome.exitClass, 'ok');
    const pid = Number(outcome.output.trim());
    t.true(pid > 1);
    await waitUntil('the end of the child', async () => (isAlive(pid) ? null : true), 5000);
  });
}

test('output without end is capped', async (t) => {
  const outcome = await runProgram(t, 'import sys\nfor i in range(20000): sys.stdout.write("x" * 99 + "\\n")');
  t.is(outcome.exitClass, 'ok');
  t.true(outcome.output.length < 400_000, `${outcome.output.length}`);
  t.regex(outcome.output, /more output is not kept/);
  t.true(outcome.tail.length <= 4000);
});

for (const [mode, confinement] of MODES) {
  test(`a run that is stopped from outside ends at once${mode}`, async (t) => {
    const stop = new AbortController();
    const startMs = performance.now();
    const running = runProgram(
      t,
      'import time\nprint("up", flush=True)\ntime.sleep(60)',
      {
        signal: stop.signal,
        onOutput: () => stop.abort(),
      },
      confinement,
    );
    t.is((await running).exitClass, 'stopped');
    t.true(performance.now() - startMs < 20_000);
  });
}

test('a Python that is not there is a failed run with the reason', async (t) => {
  const dir = await makeTempDir(t);
  const order = { trainDir: dir, predictDir: dir, outDir: dir, scratchDir: dir, paramsFile: dir, program: join(dir, 'x.py') };
  const limits = { seed: 1, threads: 1, timeoutMs: 5000, memoryMib: 100, onOutput: () => undefined, signal: new AbortController().signal };
  const outcome = await createProcessSandbox('/no/such/python').run({ ...order, ...limits });
  t.is(outcome.exitClass, 'crashed');
  t.regex(outcome.tail, /python/);
});
