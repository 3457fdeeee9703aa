import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const projectDir = fileURLToPath(new URL('../..', import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Clone {
  readonly folder: string;
  /** Puts a shell script of this name on the only path that set-up sees. */
  addProgram(name: string, script: string): void;
  start(...args: string[]): { readonly ended: Promise<Outcome>; seen(text: string): Promise<void>; kill(signal: NodeJS.Signals): void };
}

/** A copy of the set-up alone, in a folder of its own, with no program in reach but those that a test adds. */
function makeClone(t: ExecutionContext): Clone {
  const folder = mkdtempSync(join(tmpdir(), 'setup-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['setup.mjs', 'scripts/setup', 'scripts/python', 'package-lock.json', 'agent/python/requirements.lock']) {
    cpSync(join(projectDir, name), join(folder, name), { recursive: true });
  }
  const binDir = join(folder, 'bin');
  mkdirSync(binDir);
  for (const name of ['sh', 'sleep', 'mkdir', 'cat']) symlinkSync(`/bin/${name}`, join(binDir, name));
  const addProgram = (name: string, script: string) => {
    writeFileSync(join(binDir, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(binDir, name), 0o755);
  };
  const start = (...args: string[]) => {
    const env = { PATH: binDir, HOME: folder };
    const child = spawn(process.execPath, [join(folder, 'setup.mjs'), ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    const waiting = new Map<string, () => void>();
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      for (const [text, resolve] of waiting) if (stderr.includes(text)) resolve();
    });
    const ended = new Promise<Outcome>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
    const seen = (text: string) => new Promise<void>((resolve) => (stderr.includes(text) ? resolve() : waiting.set(text, resolve)));
    return { ended, seen, kill: (signal: NodeJS.Signals) => child.kill(signal) };
  };
  return { folder, addProgram, start };
}

test('an unknown verb is refused with the verbs there are', async (t) => {
  const { code, stdout, stderr } = await makeClone(t).start('demoo').ended;
  t.is(code, 64);
  t.is(stdout, '');
  t.regex(stderr, /no verb is called "demoo": use one of setup, demo, start/);
});

test('without npm, set-up says in one line what is missing and how to get it', async (t) => {
  const { code, stdout, stderr } = await makeClone(t).start('start').ended;
  t.is(code, 69);
  t.is(stdout, '');
  t.regex(stderr.trimEnd().split('\n').at(-1) ?? '', /npm is missing: install it/);
  t.notRegex(stderr, /\n\s+at /);
});

test('a failed download shows the line that tells why and names the network', async (t) => {
  const clone = makeClone(t);
  clone.addProgram(
    'npm',
    'echo "npm error code ENOTFOUND"; echo "npm error errno ENOTFOUND"; echo "npm error network request to a host failed"; echo "npm error A complete log of this run can be found in: x" >&2; exit 1',
  );
  const { code, stderr } = await clone.start('start').ended;
  t.is(code, 69);
  t.regex(stderr, /npm ci failed: ENOTFOUND network request to a host failed — check the network/);
});

test('an installation that was interrupted is done again, and a stamp alone is not believed', async (t) => {
  const clone = makeClone(t);
  clone.addProgram('npm', 'echo called >> calls; exit 1');
  await clone.start('start').ended;
  mkdirSync(join(clone.folder, '.setup', 'stamps'), { recursive: true });
  writeFileSync(join(clone.folder, '.setup', 'stamps', 'npm-packages'), 'of something else');
  await clone.start('start').ended;
  t.is(readFileSync(join(clone.folder, 'calls'), 'utf8'), 'called\ncalled\n');
});

test('two set-ups at once: the second says that it waits, and goes on when the first was stopped', async (t) => {
  const clone = makeClone(t);
  clone.addProgram('npm', 'echo began >> calls; while [ ! -e go ]; do sleep 0.02; done; exit 1');
  const first = clone.start('start');
  await first.seen('npm packages');
  const second = clone.start('start');
  await second.seen('another set-up (pid');
  t.is(readFileSync(join(clone.folder, 'calls'), 'utf8'), 'began\n');
  first.kill('SIGINT');
  const { code, stderr } = await first.ended;
  t.is(code, 130);
  t.regex(stderr, /stopped; start again and it goes on where it stopped/);
  await second.seen('npm packages');
  writeFileSync(join(clone.folder, 'go'), '');
  t.is((await second.ended).code, 69);
  t.false(existsSync(join(clone.folder, '.setup', 'lock')));
});

test('the lock of a set-up that was killed is taken over', async (t) => {
  const clone = makeClone(t);
  clone.addProgram('npm', 'while [ ! -e go ]; do sleep 0.02; done; exit 1');
  const first = clone.start('start');
  await first.seen('npm packages');
  first.kill('SIGKILL');
  await first.ended.catch(() => undefined);
  t.true(existsSync(join(clone.folder, '.setup', 'lock')));
  writeFileSync(join(clone.folder, 'go'), '');
  const { code, stderr } = await clone.start('start').ended;
  t.is(code, 69);
  t.regex(stderr, /ended half-way: going on where it stopped/);
});

test('a Python that is too old is named, with the one that is needed', async (t) => {
  const clone = makeClone(t);
  clone.addProgram('old-python', 'echo "cpython|3|8|1|/usr/bin/python3"');
  const program =
    "import { findPython } from './scripts/setup/find-python.mjs'; await findPython().catch((error) => console.log(error.message));";
  const env = { PATH: join(clone.folder, 'bin'), HOME: clone.folder, KAGGLE_AGENT_PYTHON: 'old-python' };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: clone.folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  t.is(output, 'KAGGLE_AGENT_PYTHON=old-python is Python 3.8: point it to a CPython 3.10 or newer\n');
});
