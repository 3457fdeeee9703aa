import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { projectDir, setupDir } from './places.mjs';

const keptOutputChars = 64_000;
const running = new Set();

/** Caches go to the home folder as usual; where that cannot be written (service accounts), into the project instead. */
function makeEnvironment(extra) {
  const env = { ...process.env, ...extra };
  try {
    accessSync(homedir(), constants.W_OK);
  } catch {
    const cache = join(setupDir, 'cache');
    mkdirSync(cache, { recursive: true });
    env.HOME = cache;
    env.npm_config_cache ??= join(cache, 'npm');
    env.UV_CACHE_DIR ??= join(cache, 'uv');
    env.PIP_CACHE_DIR ??= join(cache, 'pip');
  }
  return env;
}

/**
 * Runs a program to its end and collects what it prints. Never throws for its exit code: `{ok, code, output, missing}`, where `missing`
 * means that there is no such program.
 */
export function runCommand(command, args, { env = {}, cwd = projectDir, timeoutMs = 30 * 60_000 } = {}) {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, { cwd, env: makeEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGTERM'), timeoutMs);
    running.add(child);
    const keep = (chunk) => {
      output = (output + chunk).slice(-keptOutputChars);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ok: false, code: null, output: error.message, missing: error.code === 'ENOENT' });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ ok: code === 0, code, output, missing: false });
    });
  });
}

/** Asks every program that set-up has running to end. */
export function stopRunningCommands() {
  for (const child of running) child.kill('SIGTERM');
}

const noise = /^(npm (warn|notice)|\[notice\]|npm error (A complete log|\s*$))|^\s*$|complete log of this run|_logs\//i;
// npm prints its fault first, as `npm error code X` and a sentence, and a page of usage after it.
const npmSentence = /^npm error (?!code |errno |syscall |path |dest |type |\s*$)(.+)$/m;
const telling = /error|failed|cannot|unable|no matching|not found|refused|timed out|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|no space/i;

/** The line of a failed program's output that says most: the last one that names a fault, else the last that is not noise. */
export function lastUsefulLine(output) {
  const npmFault = npmSentence.exec(output.replaceAll(/^npm error A complete log.*$/gm, ''));
  const npmCode = /^npm error code (\S+)$/m.exec(output);
  if (npmCode !== null) return `${npmCode[1]} ${npmFault?.[1] ?? ''}`.trim().slice(0, 300);
  const lines = output.split('\n').filter((line) => !noise.test(line));
  const line = lines.findLast((each) => telling.test(each)) ?? lines.at(-1) ?? 'it printed nothing';
  return line.trim().slice(0, 300);
}

const networkFault = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|name resolution|dns error|connection|network|proxy|timed out/i;

/** How to go on after a download failed: names the network when the output does. */
export function explainDownloadFault(output) {
  const advice = networkFault.test(output)
    ? 'check the network (or the proxy settings) and start again: set-up goes on where it stopped'
    : 'start again: set-up goes on where it stopped';
  return `${lastUsefulLine(output)} — ${advice}`;
}
