import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { RunOutcome, Sandbox, SolutionRun } from '#agent/sandbox/sandbox.ts';
import { createForkServer } from '#agent/sandbox/fork-server.ts';
import type { ForkServer } from '#agent/sandbox/fork-server.ts';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { DEFAULT_LIMITS } from '#agent/sandbox/run-limits.ts';
import { forEachLimited } from '#core/concurrency.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { tryToBreakOut } from '#agent/sandbox/self-test.ts';
import { makeTempDir } from '../../_support/kaggle-stand-in.ts';
import { PYTHON } from '../../_support/python.ts';

const { confinement } = await probeConfinement(PYTHON);
if (confinement === null) throw new Error('runs cannot be confined here');
const plain = { ...confinement, bubblewrap: null };

/** A server of its own, closed with the test, and a sandbox that uses it. */
function openWarm(t: ExecutionContext, limits = DEFAULT_LIMITS): { readonly sandbox: Sandbox; readonly server: ForkServer } {
  const server = createForkServer(PYTHON, (threads) => ({ LANG: 'C.UTF-8', OMP_NUM_THREADS: threads, OPENBLAS_NUM_THREADS: threads }));
  t.teardown(() => server.close());
  return { server, sandbox: createProcessSandbox(PYTHON, plain, { forkServer: server, limits }) };
}

interface Ran extends RunOutcome {
  readonly dir: string;
  readonly output: string;
}

async function runProgram(t: ExecutionContext, sandbox: Sandbox, program: string, change: Partial<SolutionRun> = {}): Promise<Ran> {
  const dir = await makeTempDir(t);
  for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(join(dir, name));
  await writeFile(join(dir, 'solution.py'), program);
  await writeFile(join(dir, 'params.json'), '{}');
  let output = '';
  const outcome = await sandbox.run({
    program: join(dir, 'solution.py'),
    trainDir: join(dir, 'train'),
    predictDir: join(dir, 'predict'),
    outDir: join(dir, 'out'),
    scratchDir: join(dir, 'scratch'),
    paramsFile: join(dir, 'params.json'),
    answers: [],
    seed: 1,
    threads: 1,
    timeoutMs: 60_000,
    memoryMib: 1_000,
    onOutput: (chunk) => {
      output += chunk;
    },
    signal: new AbortController().signal,
    ...change,
  });
  return { ...outcome, dir, output };
}

const countDescriptors = async (): Promise<number> => (await readdir('/proc/self/fd')).length;

test.serial('a run of the fork server is like a cold one: arguments, main module, output, code and traceback', async (t) => {
  const { sandbox } = openWarm(t);
  const program = `import functools, os, sys
print = functools.partial(print, flush=True)
print(sys.argv[0] == __file__, __name__, sorted(os.environ), os.getcwd() == os.environ['HOME'], sys.flags.isolated, os.path.basename(sys.path[0]))
print([n for n in sys.modules if n.startswith('confinement')], len(os.listdir('/proc/self/fd')))
import __main__
print(hasattr(__main__, 'os'), sys.argv[1])
def fit():
    raise ValueError('no such column')
fit()`;
  const [warm, cold] = [await runProgram(t, sandbox, program), await runProgram(t, sandbox, program, { coldStart: true })];
  t.is(warm.exitClass, cold.exitClass);
  t.is(warm.exitCode, 1);
  t.is(warm.frame, cold.frame);
  const cut = (text: string) =>
    text
      .split('\n')
      .filter((line) => !line.includes('confinement') && !line.includes('start'))
      .join('\n')
      .replaceAll(/\/\S+\//g, '')
      .replaceAll(/'(OLDPWD|PWD|SHLVL|_|LC_CTYPE)', /g, '')
      .replaceAll(/, '(OLDPWD|PWD|SHLVL|_|LC_CTYPE)'/g, '')
      .replaceAll(/ +\^+\n?/g, '');
  t.is(cut(warm.output.split('Traceback')[0] ?? ''), cut(cold.output.split('Traceback')[0] ?? ''));
  t.regex(warm.tail, /ValueError: no such column/);
  t.false(warm.output.includes('fork_server'), warm.output);
});

for (const [words, program, exitClass, exitCode] of [
  ['sys.exit(3)', 'import sys\nsys.exit(3)', 'crashed', 3],
  ['a message to sys.exit', 'import sys\nsys.exit("enough")', 'crashed', 1],
  ['a syntax error', 'def', 'syntax', 1],
  ['a package that is not here', 'import nothing_such', 'import', 1],
  ['a signal', 'import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)', 'crashed', null],
  [
    'a good end with a thread and something at the end',
    'import atexit, threading, time\natexit.register(print, "bye")\nthreading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()',
    'ok',
    0,
  ],
] as const) {
  test.serial(`an end by ${words} is told as after a cold start`, async (t) => {
    const { sandbox } = openWarm(t);
    const [warm, cold] = [await runProgram(t, sandbox, program), await runProgram(t, sandbox, program, { coldStart: true })];
    t.is(warm.exitClass, exitClass, warm.tail);
    t.is(warm.exitCode, exitCode);
    t.deepEqual(
      [warm.exitClass, warm.exitCode, warm.output.match(/bye|thread|enough/g)],
      [cold.exitClass, cold.exitCode, cold.output.match(/bye|thread|enough/g)],
    );
  });
}

test.serial('limits hold: time, memory, and a daemon that is left behind; after a kill another server takes over', async (t) => {
  const { sandbox } = openWarm(t);
  const parent = async () =>
    (await runProgram(t, sandbox, 'import os\nprint(open("/proc/self/stat").read().split()[3], os.getppid())')).output;
  const first = await parent();
  t.is((await runProgram(t, sandbox, 'while True: pass', { timeoutMs: 800 })).exitClass, 'timeout');
  t.is(
    (await runProgram(t, sandbox, 'kept = []\nwhile True: kept.append(bytearray(b"x" * (8 << 20)))', { memoryMib: 200 })).exitClass,
    'oom',
  );
  t.is((await runProgram(t, sandbox, 'bytearray(100 << 30)')).exitClass, 'oom');
  const daemon = 'import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\nos.wait()';
  const left = await runProgram(t, sandbox, daemon);
  t.is(left.exitClass, 'ok');
  t.true(left.seconds < 20, `${left.seconds} s`);
  t.not(await parent(), first);
});

test.serial('of output without end the beginning is shown, and the end explains', async (t) => {
  const { sandbox } = openWarm(t);
  const flood = 'import sys\nfor n in range(3_000): sys.stderr.write("x" * 9_999 + "\\n")\nraise ValueError("the last word")';
  const { output, tail, exitClass } = await runProgram(t, sandbox, flood);
  t.is(exitClass, 'crashed');
  t.true(output.length < 1e6, `${output.length} characters`);
  t.regex(tail, /ValueError: the last word/);
});

test.serial('memory of the packages that all runs share is nobody’s own', async (t) => {
  const { sandbox } = openWarm(t);
  const { exitClass, peakMemoryMib } = await runProgram(t, sandbox, 'import numpy, pandas, sklearn, time\ntime.sleep(0.5)', {
    memoryMib: 150,
  });
  t.is(exitClass, 'ok');
  t.true(peakMemoryMib < 100, `${peakMemoryMib} MiB`);
});

test.serial('the break-out self-test holds in a run of the fork server', async (t) => {
  const { sandbox } = openWarm(t);
  t.deepEqual(await tryToBreakOut(sandbox), { accepted: true });
});

test.serial('every run draws other random numbers, as cold ones do', async (t) => {
  const { sandbox } = openWarm(t);
  const draw = async () =>
    (await runProgram(t, sandbox, 'import random, numpy as np\nprint(random.random(), np.random.rand(), np.random.default_rng().random())'))
      .output;
  const drawn = [await draw(), await draw(), await draw()];
  t.is(new Set(drawn.flatMap((line) => line.trim().split(' '))).size, 9, drawn.join(''));
});

const MODELS = `import sys
import numpy as np, pandas as pd
from sklearn.linear_model import Ridge, LogisticRegression
from sklearn.ensemble import ExtraTreesRegressor
import lightgbm
rng = np.random.default_rng(int(sys.argv[sys.argv.index('--seed') + 1]))
x = rng.normal(size=(600, 8)); y = x @ rng.normal(size=8) + np.sin(3 * x[:, 0]) + 0.1 * rng.normal(size=600)
threads = int(sys.argv[sys.argv.index('--threads') + 1])
out = [Ridge().fit(x, y).predict(x), LogisticRegression().fit(x, y > 0).predict_proba(x)[:, 1]]
out.append(ExtraTreesRegressor(20, random_state=0, n_jobs=threads).fit(x, y).predict(x))
out.append(lightgbm.LGBMRegressor(n_estimators=20, num_threads=threads, verbose=-1, deterministic=True, force_row_wise=True).fit(x, y).predict(x))
pd.DataFrame(np.column_stack(out)).to_csv(sys.argv[sys.argv.index('--out') + 1] + '/scores.csv')`;

for (const threads of [1, 2]) {
  test.serial(`predictions are the same bytes as after a cold start, with ${threads} thread${threads === 1 ? '' : 's'}`, async (t) => {
    t.timeout(60_000);
    const { sandbox } = openWarm(t);
    const read = async (coldStart: boolean) => {
      const { dir, exitClass, tail } = await runProgram(t, sandbox, MODELS, { threads, coldStart });
      t.is(exitClass, 'ok', tail);
      return readFile(join(dir, 'out/scores.csv'), 'utf8');
    };
    const [cold, warm, again] = [await read(true), await read(false), await read(false)];
    t.true(cold.length > 10_000);
    t.is(warm, cold);
    t.is(again, cold);
  });
}

test.serial('a thousand runs: none hangs, no descriptor and no process is left', async (t) => {
  t.timeout(300_000);
  const { sandbox, server } = openWarm(t);
  await runProgram(t, sandbox, 'print(1)');
  const before = await countDescriptors();
  const program = 'import numpy as np, sys\nprint(len(__import__("os").listdir("/proc/self/fd")), float(np.ones(1000).sum()))';
  const outputs = new Map<string, number>();
  await forEachLimited(
    Array.from({ length: 1_000 }, (_, n) => n),
    2,
    async () => {
      const { exitClass, output, tail } = await runProgram(t, sandbox, program);
      const words = exitClass === 'ok' ? output : `${exitClass} ${tail}`;
      outputs.set(words, (outputs.get(words) ?? 0) + 1);
    },
  );
  t.deepEqual([...outputs], [['4 1000.0\n', 1_000]]);
  await server.close();
  t.true((await countDescriptors()) <= before, `${before} before, ${await countDescriptors()} after`);
});

test.serial('without the server’s packages, or without the server, a run starts cold', async (t) => {
  const server = createForkServer('/nowhere/python', () => ({}));
  t.teardown(() => server.close());
  const sandbox = createProcessSandbox(PYTHON, plain, { forkServer: server });
  t.is((await runProgram(t, sandbox, 'print(1)')).exitClass, 'ok');
});
