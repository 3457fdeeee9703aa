import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const patienceMs = 3000;
const pollMs = 50;

function readProcessFile(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

function readWorkingDir(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

/** Living processes that inherited `mark` in their environment, or were started on something in `folder`. */
function findMarkedProcesses(mark: string, folder: string): { pid: number; commandLine: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map((pid) => ({ pid, commandLine: readProcessFile(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
    .filter(({ pid, commandLine }) => {
      // A zombie has no command line: it has ended, and only waits for its parent.
      if (commandLine === '') return false;
      return readProcessFile(pid, 'environ').includes(mark) || commandLine.includes(folder) || readWorkingDir(pid).startsWith(folder);
    })
    .map(({ pid, commandLine }) => ({ pid: Number(pid), commandLine }));
}

/** Kills what a test run left behind and returns one line for each. What is about to end by itself gets a moment to do so. */
export async function endLeakedProcesses(mark: string, folder: string): Promise<string[]> {
  const deadline = performance.now() + patienceMs;
  let leaked = findMarkedProcesses(mark, folder);
  while (leaked.length > 0 && performance.now() < deadline) {
    await wait(pollMs);
    leaked = findMarkedProcesses(mark, folder);
  }
  for (const { pid } of leaked) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended in this very moment.
    }
  }
  return leaked.map(({ pid, commandLine }) => `${commandLine.slice(0, 200)} (pid ${pid})`);
}
