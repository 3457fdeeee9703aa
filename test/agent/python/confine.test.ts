import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { z } from 'zod';
import { makeTempDir } from '../../_support/kaggle-stand-in.ts';
import { PYTHON } from '../../_support/python.ts';

const CONFINE = fileURLToPath(new URL('../../../agent/python/confine.py', import.meta.url));
const START = fileURLToPath(new URL('../../../agent/python/confinement/start.py', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Everything that can go wrong is an answer here. */
async function confine(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const env = { LANG: 'C.UTF-8', ...more };
  try {
    const { stdout, stderr } = await promisify(execFile)(PYTHON, ['-I', CONFINE, ...args], { env, timeout: 60_000 });
    return { code: 0, signal: null, stdout, stderr };
  } catch (error) {
    return { code: null, signal: null, stdout: '', stderr: '', ...(error as Partial<Ended>) };
  }
}

test('the probe says what this machine can enforce', async (t) => {
  const { stdout } = await confine(['--probe']);
  const found = JSON.parse(stdout) as { seccomp: boolean; landlock: number };
  t.true(found.seccomp);
  t.true(found.landlock >= 1);
});

const ENDS: readonly [title: string, args: readonly string[], expected: Partial<Ended>, stderr: RegExp][] = [
  ['no program', [], { code: 64 }, /a program is missing/],
  ['an unknown option', ['--nonsense', '--', 'x'], { code: 64 }, /unknown option --nonsense/],
  ['a program that is not there', ['--', '/no/such/program'], { code: 71 }, /\/no\/such\/program cannot be started/],
  [
    'a path that is not there',
    ['--read', '/no/such/path', '--', '/bin/true'],
    { code: 70 },
    /not enforced: Landlock \(.*path: No such file/,
  ],
  ['a path that is not there, best effort', ['--best-effort', '--read', '/no/path', '--', '/bin/true'], { code: 0 }, /not enforced/],
  ['the exit code of a program', ['--supervise', '--', '/bin/sh', '-c', 'exit 7'], { code: 7 }, /^$/],
  ['the signal of a program', ['--supervise', '--', '/bin/sh', '-c', 'kill -USR1 $$'], { signal: 'SIGUSR1' }, /^$/],
];
for (const [title, args, expected, stderr] of ENDS) {
  test(`confine.py passes on or explains: ${title}`, async (t) => {
    const ended = await confine(args);
    t.like({ ...ended }, expected);
    t.regex(ended.stderr, stderr);
  });
}

test('for the whole container unix sockets stay, all other families go, and children inherit it', async (t) => {
  const program = `
import socket, subprocess, sys
if len(sys.argv) == 1:
    sys.exit(subprocess.run([sys.executable, '-I', __file__, 'child']).returncode)
socket.socket(socket.AF_UNIX)
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
    try:
        socket.socket(family)
        sys.exit(1)
    except OSError as error:
        print(error.errno)
`;
  const dir = await makeTempDir(t);
  await writeFile(join(dir, 'p.py'), program);
  const ended = await confine(['--', PYTHON, '-I', join(dir, 'p.py')]);
  t.like({ ...ended }, { code: 0, stdout: '97\n97\n97\n' }, ended.stderr);
});

/** A program under the rights of one run; its output. */
async function runLikeSolution(dir: string, program: string): Promise<Ended> {
  const [file, scratch] = [join(dir, 'p.py'), join(dir, 'scratch')];
  await writeFile(file, program);
  await mkdir(scratch, { recursive: true });
  const limits = ['--supervise', '--deny-unix', '--read', file, '--write', scratch];
  return confine([...limits, '--', PYTHON, '-I', START, file, 'one', 'two'], { HOME: scratch, TMPDIR: scratch });
}

test('under the rights of a run __main__, sys.argv and sys.path are as with a plain start', async (t) => {
  const program = `
import json, pickle, sys
class Thing: pass
assert type(pickle.loads(pickle.dumps(Thing()))) is Thing
found = {name: str(value) for name, value in globals().items() if name.startswith('__')}
print(json.dumps([__name__, __file__, sys.argv, sys.path, sorted(found), found['__doc__'], found['__package__'], found['__spec__']]))
`;
  const dir = await makeTempDir(t);
  const confined = await runLikeSolution(dir, program);
  const plain = await promisify(execFile)(PYTHON, ['-I', join(dir, 'p.py'), 'one', 'two'], { env: {} });
  const [mine, theirs] = [confined.stdout, plain.stdout].map((text) => JSON.parse(text) as [string, string, string[], string[], string[]]);
  t.deepEqual(mine?.slice(0, 4), theirs?.slice(0, 4));
  t.deepEqual(
    mine?.[4].filter((name) => name !== '__cached__'),
    theirs?.[4].filter((name) => name !== '__cached__'),
  );
});

test('threads, boosters and scikit-learn’s n_jobs work under the rights of a run; pools of processes fail at once with a sentence', async (t) => {
  const program = `
import warnings
warnings.filterwarnings('error', message='.*serial mode.*')
import multiprocessing.dummy, numpy as np, threading
import joblib, lightgbm, xgboost
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
random = np.random.default_rng(1)
x = random.random((500, 5)); y = x[:, 0]
names = set()
joblib.Parallel(n_jobs=2, backend='threading')(joblib.delayed(lambda: names.add(threading.get_ident()))() for _ in range(50))
assert joblib.effective_n_jobs(2) == 2
ExtraTreesRegressor(20, n_jobs=2).fit(x, y).predict(x)
HistGradientBoostingRegressor(max_iter=5).fit(x, y)
lightgbm.train({'num_threads': 2, 'verbose': -1}, lightgbm.Dataset(x, y), 5)
xgboost.train({'nthread': 2}, xgboost.DMatrix(x, y), 5)
assert multiprocessing.dummy.Pool(2).map(abs, [-1, -2]) == [1, 2]
try:
    joblib.Parallel(n_jobs=2, backend='loky')(joblib.delayed(abs)(n) for n in (-1, -2))
except OSError as error:
    print(error)
print('done')
`;
  const ended = await runLikeSolution(await makeTempDir(t), program);
  t.is(ended.code, 0, ended.stderr);
  t.is(ended.stdout, 'locks between processes are closed here: use threads\ndone\n');
});

test('copying a file works under the rights of a run though its mode stays, and locks and foreign files are refused', async (t) => {
  const program = `
import fcntl, os, shutil, sys
scratch = os.path.join(os.path.dirname(__file__), 'scratch')
shutil.copy2(__file__, scratch + '/copy.py')
for action in (lambda: fcntl.flock(open(__file__), fcntl.LOCK_SH), lambda: fcntl.lockf(open(scratch + '/copy.py', 'a'), fcntl.LOCK_EX), lambda: open(__file__, 'a')):
    try:
        action()
        print('open')
    except PermissionError:
        print('refused')
`;
  const dir = await makeTempDir(t);
  const ended = await runLikeSolution(dir, program);
  t.is(ended.stdout, 'refused\nrefused\nrefused\n', ended.stderr);
  t.is(await readFile(join(dir, 'scratch', 'copy.py'), 'utf8'), program);
});

const WHO = `
import json, os, sys
from pathlib import Path
data, out = Path(sys.argv[1]), Path(sys.argv[2])
def tries(action):
    try:
        action()
        return True
    except OSError:
        return False
print(json.dumps({
    "uid": os.getuid(), "groups": os.getgroups(), "rights": next(l for l in open("/proc/self/status") if l.startswith("CapEff")).split()[1],
    "reads": data.read_text(), "writes": tries(lambda: (out / "x").write_text("x")), "changesData": tries(lambda: data.write_text("y")),
    "mostRights": next(l for l in open("/proc/self/status") if l.startswith("CapBnd")).split()[1],
    "returns": tries(lambda: os.setresuid(0, 0, 0)), "processes": __import__("resource").getrlimit(6)[0],
}))
`;

test('a run of root is nobody else: it reads what it is given, writes into its own folder, and keeps no other right', async (t) => {
  const dir = await makeTempDir(t);
  const [out, data] = [join(dir, 'out'), join(dir, 'data.csv')];
  await mkdir(out, { mode: 0o700 });
  await writeFile(data, 'secret rows', { mode: 0o600 });
  const { stdout, stderr } = await confine(['--own-user', '60', '--read', data, '--write', out, '--', PYTHON, '-I', '-c', WHO, data, out]);
  t.is(stderr, '');
  const found = z.record(z.string(), z.unknown()).parse(JSON.parse(stdout));
  const isRoot = process.getuid?.() === 0;
  t.like(found, { reads: 'secret rows', writes: true });
  if (!isRoot) return void t.like(found, { uid: process.getuid?.(), rights: '0000000000000000' });
  t.like(found, {
    changesData: false,
    returns: false,
    groups: [],
    processes: 60,
    rights: '0000000000000004',
    mostRights: '0000000000000004',
  });
  t.true(Number(found['uid']) >= 100_000);
  const { stdout: again } = await confine(['--own-user', '60', '--read', data, '--write', out, '--', PYTHON, '-I', '-c', WHO, data, out]);
  t.notDeepEqual(z.object({ uid: z.int() }).parse(JSON.parse(again)).uid, found['uid']);
});

test('the number of a run is one that this namespace knows, and that people and services have not', async (t) => {
  const maps: readonly [map: string, low: number, high: number][] = [
    ['0 0 4294967295', 100_000, 2 ** 31 - 1],
    ['0 1000 1\n1 100000 65536', 32_000, 65_536],
    ['0 100000 65536', 32_000, 65_535],
  ];
  const script = `import sys, json; sys.path.insert(0, ${JSON.stringify(join(CONFINE, '..'))}); from confinement.own_user import choose_user; print(json.dumps([choose_user(m) for m in json.loads(sys.argv[1])]))`;
  const given = JSON.stringify([...maps.map(([map]) => map), '0 1000 1', '']);
  const { stdout } = await promisify(execFile)(PYTHON, ['-I', '-c', script, given]);
  const users = z.array(z.int().nullable()).parse(JSON.parse(stdout));
  for (const [index, [map, low, high]] of maps.entries()) {
    const user = users[index] ?? -1;
    t.true(user >= low && user <= high && user !== 65_534, `${map}: ${user}`);
  }
  t.deepEqual(users.slice(maps.length), [null, null]);
});
