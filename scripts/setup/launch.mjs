import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { nodePath, projectDir } from './places.mjs';

/** What programs of the project see: their own Node and tools first on the path. */
function makeEnvironment(extra) {
  return { ...process.env, PATH: `${dirname(nodePath)}${delimiter}${process.env.PATH ?? ''}`, ...extra };
}

/**
 * Runs a program with this process's input and output, passes signals on to it, and returns its exit code (128 + n when a signal ended it).
 */
export function runInForeground(command, args, { env = {}, cwd = projectDir } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: makeEnvironment(env), stdio: 'inherit' });
    const forward = (signal) => {
      // Ctrl-C at a terminal reaches the child by itself; a second one would mean "at once".
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const each of signals) process.off(each, forward);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** Runs a TypeScript program of the project with its own Node 24. */
export function runProgram(path, args, options) {
  return runInForeground(nodePath, [path, ...args], options);
}
