import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PROJECT_DIR } from '#local/config.ts';
import { openProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { readClaudeKey } from '#local/claude-key.ts';
import { listBundledCompetitions } from '#local/bundled.ts';
import type { CommandContext, OutputFlag } from '../context.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import { formatTable } from '../output.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  /** What to do about it; empty when all is well. */
  readonly next: string;
}

const MIN_FREE_GIB = 3;

/** `doctor`: checks this machine and the service, one line each; exit code 1 when something that is needed is missing. */
export async function doctorCommand(context: CommandContext, flags: OutputFlag): Promise<number> {
  const findings = [
    checkNode(),
    checkPython(),
    await checkDisk(),
    await checkExamples(),
    await checkSandbox(),
    await checkClaude(context),
    await checkService(context),
  ];
  if (flags.output === 'json') context.console.out(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    const rows = findings.map(({ check, ok, detail, next }) => [ok ? 'ok' : '!!', check, detail, next]);
    context.console.out(formatTable(['', 'CHECK', 'FOUND', 'NEXT'], rows));
  }
  return findings.every(({ ok, check }) => ok || check === 'service') ? EXIT_CODES.ok : EXIT_CODES.failed;
}

function checkNode(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) === 24;
  return { check: 'node', ok, detail: process.versions.node, next: ok ? '' : 'run through npm, which brings Node 24' };
}

function checkPython(): Finding {
  const python = join(PROJECT_DIR, '.venv/bin/python');
  if (!existsSync(python)) return { check: 'python', ok: false, detail: 'no environment', next: 'npm run setup' };
  const code =
    'import sys,sklearn,lightgbm;print(sys.version.split()[0],"scikit-learn",sklearn.__version__,"lightgbm",lightgbm.__version__)';
  const result = spawnSync(python, ['-I', '-c', code], { encoding: 'utf8', timeout: 60_000 });
  const ok = result.status === 0;
  return {
    check: 'python',
    ok,
    detail: ok ? result.stdout.trim() : 'its packages do not load',
    next: ok ? '' : 'rm -rf .venv && npm run setup',
  };
}

async function checkDisk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(PROJECT_DIR);
  const freeGib = (bavail * bsize) / 2 ** 30;
  const ok = freeGib >= MIN_FREE_GIB;
  return { check: 'disk', ok, detail: `${freeGib.toFixed(1)} GiB free`, next: ok ? '' : `free at least ${MIN_FREE_GIB} GiB` };
}

async function checkExamples(): Promise<Finding> {
  const bundled = await listBundledCompetitions();
  return { check: 'examples', ok: bundled.length > 0, detail: bundled.map(({ slug }) => slug).join(', '), next: '' };
}

/** Said honestly: what stands between a program and this machine, whether a self-test could break out, and what would add to it. */
async function checkSandbox(): Promise<Finding> {
  const python = join(PROJECT_DIR, '.venv/bin/python');
  if (!existsSync(python)) return { check: 'sandbox', ok: false, detail: 'no Python to try it with', next: 'npm run setup' };
  const { sandbox, problems } = await openProcessSandbox(python);
  const { missing } = await probeConfinement(python);
  const { generatedCode, tier, layers } = sandbox;
  const code = generatedCode.accepted ? 'self-test passed' : `recipes only, no generated code: ${generatedCode.reason}`;
  const next = [...problems.filter((problem) => !code.includes(problem)), ...missing].join('; ');
  return { check: 'sandbox', ok: true, detail: `${tier} (${layers.join(', ')}); ${code}`, next };
}

/** Only whether there is a key: asking with it would be a call. */
async function checkClaude({ env }: CommandContext): Promise<Finding> {
  try {
    const found = (await readClaudeKey(env)) !== null;
    return { check: 'claude', ok: true, detail: found ? 'a key, not tried' : 'no key: recipes only', next: found ? '' : 'docs/claude.md' };
  } catch (error) {
    return {
      check: 'claude',
      ok: false,
      detail: error instanceof Error ? error.message : String(error),
      next: 'name a file that can be read',
    };
  }
}

async function checkService(context: CommandContext): Promise<Finding> {
  try {
    const health = await context.client.health();
    return { check: 'service', ok: health.status === 'healthy', detail: health.status, next: '' };
  } catch (error) {
    return { check: 'service', ok: false, detail: error instanceof Error ? error.message : String(error), next: 'npm start' };
  }
}
