import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { GeneratedCode, Sandbox } from './sandbox.ts';

const PROGRAM = fileURLToPath(new URL('../python/confinement/self_test.py', import.meta.url));
const TIMEOUT_MS = 30_000;
const MEMORY_MIB = 1_024;
/** A test that tries less than this has not been carried out. */
const LEAST_TRIES = 10;

const Findings = z.record(z.string(), z.string());

/**
 * Runs a program that tries to break out, in the same sandbox and in the same way as a solution. Generated code is accepted only if every
 * try was refused, and Python's packages work all the same. Never throws.
 */
export async function tryToBreakOut(sandbox: Sandbox, homeDir: string = tmpdir()): Promise<GeneratedCode> {
  try {
    return await tryIn(sandbox, homeDir);
  } catch (error) {
    return refuse(`it could not be carried out: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function tryIn(sandbox: Sandbox, homeDir: string): Promise<GeneratedCode> {
  const dir = await mkdtemp(join(homeDir, 'kaggle-agent-self-test-'));
  try {
    const place = (name: string): string => join(dir, name);
    for (const name of ['train', 'predict', 'out', 'scratch']) await mkdir(place(name), { mode: 0o700 });
    const secret = randomUUID();
    await writeFile(place('secret'), secret, { mode: 0o644 });
    await writeFile(place('params.json'), JSON.stringify({ secret: place('secret'), home: dir, pid: process.pid }));
    const outcome = await sandbox.run({
      program: PROGRAM,
      trainDir: place('train'),
      predictDir: place('predict'),
      outDir: place('out'),
      scratchDir: place('scratch'),
      paramsFile: place('params.json'),
      answers: [],
      seed: 0,
      threads: 1,
      timeoutMs: TIMEOUT_MS,
      memoryMib: MEMORY_MIB,
      onOutput: () => undefined,
      signal: new AbortController().signal,
    });
    if (outcome.exitClass !== 'ok') return refuse(`it ended as ${outcome.exitClass}: ${outcome.tail.slice(-200)}`);
    return judge(Findings.parse(JSON.parse(await readFile(place('out/self-test.json'), 'utf8'))));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function judge(findings: Readonly<Record<string, string>>): GeneratedCode {
  const tries = Object.entries(findings);
  if (tries.length < LEAST_TRIES) return refuse(`it made ${tries.length} tries only`);
  const open = tries.filter(([, result]) => !result.startsWith('refused')).map(([name]) => name);
  return open.length === 0 ? { accepted: true } : refuse(`these got through: ${open.join(', ')}`);
}

function refuse(why: string): GeneratedCode {
  return { accepted: false, reason: `the break-out self-test failed (${why})`.slice(0, 500) };
}
