// Runs in the image build, under the finished image's user and path: starts every program once, so that V8's compile cache holds what a start
// needs, and fails the build when one does not start.   node warm.mjs <folder> [names of programs that must listen]
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '/app', ...listeners] = process.argv.slice(2);
const cache = join(folder, '.compile-cache');
const startTimeoutMs = 30_000;

const scratch = '/tmp/warm';
mkdirSync(scratch, { recursive: true });
writeFileSync(join(scratch, 'key'), 'a key that only this build knows');

/** Complete enough to listen; nothing answers at these addresses. */
const settings = {
  PORT: '0',
  KAGGLE_AGENT_PROFILE: 'dev',
  KAGGLE_AGENT_DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:9/nothing',
  KAGGLE_AGENT_STORAGE_URL: `file:${scratch}/objects`,
  KAGGLE_AGENT_INTAKE_URL: 'http://127.0.0.1:9/',
  KAGGLE_AGENT_LAUNCHER_URL: 'http://127.0.0.1:9/',
  KAGGLE_AGENT_SIGNALS_URL: 'http://127.0.0.1:9/',
  KAGGLE_AGENT_PLANE_KEY_FILE: join(scratch, 'key'),
  KAGGLE_AGENT_ATTEMPTS_DIR: join(scratch, 'attempts'),
};

function start(file, env) {
  const child = spawn(process.execPath, [file], {
    cwd: '/',
    env: { HOME: '/tmp', NODE_ENV: 'production', NODE_COMPILE_CACHE: cache, ...env },
  });
  const run = { child, out: '', err: '', code: null, ended: null };
  child.stdout.on('data', (chunk) => (run.out += chunk));
  child.stderr.on('data', (chunk) => (run.err += chunk));
  run.ended = new Promise((resolve) => child.on('close', (code) => resolve((run.code = code ?? -1))));
  return run;
}

/** The address in the line that says "listening", once it is there; null when the program ended before. */
async function waitForAddress(run) {
  const stopAt = Date.now() + startTimeoutMs;
  while (run.code === null && Date.now() < stopAt) {
    const url = /"url":"(http:[^"]+)"/.exec(run.out)?.[1];
    if (url !== undefined) return url;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return null;
}

function fail(name, run) {
  process.stderr.write(`${name} did not start as it should (exit code ${run.code}):\n${run.out}${run.err}\n`);
  process.exit(1);
}

/** Start, a few requests, SIGTERM: the cache is written at the end of the process. */
async function warmListener(name) {
  const run = start(join(folder, `${name}.cjs`), settings);
  const url = await waitForAddress(run);
  if (url === null) fail(name, run);
  for (const path of ['/livez', '/readyz', '/nothing']) await (await fetch(url + path)).text();
  run.child.kill('SIGTERM');
  const endedInTime = await Promise.race([run.ended, new Promise((resolve) => setTimeout(resolve, 10_000, null).unref())]);
  if (endedInTime === null) fail(`${name} (which ignored SIGTERM)`, run);
}

/** A program without its settings ends with the reason in a line; a package only loads. Neither may show a stack. */
async function warmOther(file) {
  const run = start(join(folder, file), {});
  const timer = setTimeout(() => run.child.kill('SIGKILL'), startTimeoutMs);
  await run.ended;
  clearTimeout(timer);
  if (run.code === -1 || /^\s+at /m.test(run.err)) fail(file, run);
  process.stdout.write(`${file}: ${run.err.trim().split('\n').at(-1) || 'loads'}\n`);
}

for (const name of listeners) await warmListener(name);
for (const path of readdirSync(folder, { recursive: true })) {
  if (path.endsWith('.cjs') && !path.startsWith('.') && !path.includes('node_modules') && !listeners.includes(path.slice(0, -4)))
    await warmOther(path);
}
const files = readdirSync(cache, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
process.stdout.write(`compile cache: ${files.length} files\n`);
if (files.length === 0) process.exit(1);
