import { randomInt } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Confinement } from '#agent/sandbox/confinement.ts';
import type { RunOutcome, SolutionRun } from '#agent/sandbox/sandbox.ts';
import { CONFINE_SCRIPT, probeConfinement } from '#agent/sandbox/confinement.ts';
import { DEFAULT_LIMITS } from '#agent/sandbox/run-limits.ts';
import type { ProcessSandboxOptions } from '#agent/sandbox/process-sandbox.ts';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { PYTHON } from '../../_support/python.ts';
import { makeTempDir } from '../../_support/kaggle-stand-in.ts';
import { waitUntil } from '../../_support/wait-until.ts';

const probe = await probeConfinement(PYTHON);
const confined = probe.confinement === null ? null : { ...probe.confinement, bubblewrap: null };
type Mode = readonly [name: string, confinement: Confinement | null];
const MODES: readonly Mode[] = [
  ['', null],
  [' (confined)', confined ?? { python: PYTHON, ownUser: false, bubblewrap: null, script: CONFINE_SCRIPT }],
  // Where it is installed.
  ...(probe.confinement?.bubblewrap ? [[' (bubblewrap)', probe.confinement] satisfies Mode] : []),
];

async function runProgram(
  t: ExecutionContext,
  program: string,
  change: Partial<SolutionRun> = {},
  confinement: Confinement | null = null,
  options: ProcessSandboxOptions = {},
): Promise<RunOutcome & { dir: string; output: string }> {
  const dir = await makeTempDir(t);
  for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(join(dir, name));
  await writeFile(join(dir, 'solution.py'), program);
  await writeFile(join(dir, 'params.json'), '{}');
  let output = '';
  const outcome = await createProcessSandbox(PYTHON, confinement, options).run({
    program: join(dir, 'solution.py'),
    trainDir: join(dir, 'train'),
    predictDir: join(dir, 'predict'),
    outDir: join(dir, 'out'),
    scratchDir: join(dir, 'scratch'),
    paramsFile: join(dir, 'params.json'),
    answers: [],
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

async function countProcesses(words: string): Promise<number> {
  const lines = await Promise.all((await readdir('/proc')).map(async (pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.replaceAll('\0', ' ').trim() === words).length;
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
    t.is(seen['sid'], confinement?.bubblewrap == null, 'a session of its own; in a namespace it is that of the first process');
  });
}

const ENDS: readonly [title: string, program: string, change: Partial<SolutionRun>, exitClass: RunOutcome['exitClass'], tail: RegExp][] = [
  ['a syntax error', 'def (', {}, 'syntax', /SyntaxError/],
  ['a missing package', 'import no_such_package', {}, 'import', /no_such_package/],
  ['an exception', 'raise ValueError("no rows")', {}, 'crashed', /no rows/],
  ['a missing file', 'open("train.csv")', {}, 'data', /FileNotFoundError/],
  [
    'an argument that it does not know',
    'import argparse\nargparse.ArgumentParser().parse_args()',
    {},
    'contract',
    /unrecognized arguments/,
  ],
  ['no answer', 'print(1)', { answers: ['scores.csv', 'predictions.csv'] }, 'contract', /ended without scores\.csv or predictions\.csv/],
  ['a signal', 'import os, signal\nos.kill(os.getpid(), signal.SIGKILL)', {}, 'killed', /^/],
  ['a write into the data', 'import sys\nopen(sys.argv[2] + "/none/x", "w")', {}, 'data', /FileNotFoundError/],
  ['a huge reservation', 'bytearray(100 << 30)', {}, 'oom', /MemoryError/],
  ['a huge file', 'f = open("x", "wb")\nf.truncate(1 << 40)', {}, 'disk', /File too large/],
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

const CONFINED_MODES = MODES.slice(1);
for (const [mode, confinement] of CONFINED_MODES) {
  for (const [title, program] of [
    ['a socket', 'import socket\nsocket.socket()'],
    ['a foreign file', 'open("/etc/passwd")'],
    ['a lock', 'import fcntl\nfcntl.flock(open(__file__), fcntl.LOCK_EX)'],
    ['a pool of processes', 'import multiprocessing\nmultiprocessing.Process(target=print).start()'],
  ] as const) {
    test(`a program that asks for ${title} is of class blocked${mode}`, async (t) => {
      const outcome = await runProgram(t, program, {}, confinement);
      // Where the file is not even there, that is what it hears.
      t.is(outcome.exitClass, title === 'a foreign file' && confinement?.bubblewrap != null ? 'data' : 'blocked', outcome.tail);
      t.is(outcome.frame, 'line 2, in <module>'.replace('2', title === 'a foreign file' ? '1' : '2'));
    });
  }
}

const SMALL_LIMITS = { ...DEFAULT_LIMITS, diskMib: 8, files: 100, tasks: 40 };
for (const [mode, confinement] of MODES) {
  for (const [title, program, exitClass, words] of [
    ['much', 'import time\nopen("x", "wb").write(bytes(20 << 20))\ntime.sleep(30)', 'disk', /wrote more than 8 MiB/],
    ['many files', 'import time\nfor i in range(300): open(str(i), "w")\ntime.sleep(30)', 'disk', /made more than 100 files/],
    [
      'many threads',
      'import threading, time\nfor _ in range(100): threading.Thread(target=time.sleep, args=(30,)).start()',
      // Where the kernel counts for itself, the program hears it first.
      null,
      /started more than 40 processes|can't start new thread/,
    ],
  ] as const) {
    test(`a program that makes ${title} is ended with the reason${mode}`, async (t) => {
      const outcome = await runProgram(t, program, {}, confinement, { limits: SMALL_LIMITS });
      if (exitClass !== null) t.is(outcome.exitClass, exitClass, outcome.tail);
      t.not(outcome.exitClass, 'ok');
      t.regex(outcome.tail, words);
    });
  }
}

test('the tail of a run: repeats folded, escapes and overwritten progress gone, the deepest own frame named', async (t) => {
  const program = `
import json, sys
print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07end \\u202etrick')
for _ in range(300): print('epoch')
sys.stdout.write('10 %\\r20 %\\r30 %\\n'); sys.stdout.flush()
def fit():
    json.loads('{')
fit()
`;
  const outcome = await runProgram(t, program);
  const lines = outcome.tail.split('\n');
  t.deepEqual(lines.slice(0, 3), ['red end trick', 'epoch (300 times)', '30 %']);
  t.is(outcome.frame, 'line 7, in fit');
  t.regex(outcome.tail, /JSONDecodeError/);
});

for (const [mode, confinement] of MODES) {
  test(`a child that outlives its parent, holding the pipes open, ends with the run${mode}`, async (t) => {
    // Known by its words: its number is another one where it has a namespace of its own.
    const words = `sleep 60.${randomInt(1e9)}`;
    const program = `
import os
reader, writer = os.pipe()
if os.fork() == 0:
    os.execv('/bin/sleep', ${JSON.stringify(words.split(' '))})
os.close(writer)
os.read(reader, 1)  # its end closes when the child has become the other program
print('started')
`;
    const outcome = await runProgram(t, program, {}, confinement);
    t.is(outcome.exitClass, 'ok', outcome.tail);
    t.is(outcome.tail, 'started');
    await waitUntil('the end of the child', async () => ((await countProcesses(words)) === 0 ? true : null), 10_000);
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
  const order = { answers: [], trainDir: dir, predictDir: dir, outDir: dir, scratchDir: dir, paramsFile: dir, program: join(dir, 'x.py') };
  const limits = {
    seed: 1,
    threads: 1,
    timeoutMs: 60_000,
    memoryMib: 100,
    onOutput: () => undefined,
    signal: new AbortController().signal,
  };
  const outcome = await createProcessSandbox('/no/such/python').run({ ...order, ...limits });
  t.is(outcome.exitClass, 'crashed');
  t.regex(outcome.tail, /python/);
});
