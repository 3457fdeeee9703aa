/** Stands where the agent is: has a program run by the runner beside it, with secrets lying in every place of its own, and prints what came out. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRunnerSandbox } from '#agent/sandbox/runner-sandbox.ts';

const [program = '', canary = ''] = process.argv.slice(2);
const runsDir = process.env['KAGGLE_AGENT_RUNS_DIR'] ?? '';
const socketPath = process.env['KAGGLE_AGENT_RUNNER_SOCKET'] ?? '';

/** A run's folder, as the agent makes it. */
function makeRun(name: string): string {
  const home = join(runsDir, name);
  for (const folder of ['train', 'predict', 'out', 'scratch']) mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
  return home;
}

async function main(): Promise<void> {
  const sandbox = await createRunnerSandbox({ socketPath });
  const [home, sibling] = [makeRun('run-1'), makeRun('run-2')];
  const secrets = ['/var/lib/kaggle-agent/labels.csv', '/tmp/secret', join(sibling, 'train/train.csv')];
  for (const path of secrets) writeFileSync(path, canary);
  secrets.push('/etc/kaggle-agent/attempt/token', '/etc/kaggle-agent/attempt/spec.json', '/etc/kaggle-agent/kaggle/credentials.json');
  for (const path of secrets) readFileSync(path);
  const untouchables = [join(sibling, 'out/x'), join(runsDir, 'x'), '/app/x', '/x'];
  writeFileSync(join(home, 'solution.py'), program);
  writeFileSync(join(home, 'params.json'), JSON.stringify({ secrets, untouchables, socket: socketPath }));
  const outcome = await sandbox.run({
    program: join(home, 'solution.py'),
    trainDir: join(home, 'train'),
    predictDir: join(home, 'predict'),
    outDir: join(home, 'out'),
    scratchDir: join(home, 'scratch'),
    paramsFile: join(home, 'params.json'),
    answers: [],
    seed: 1,
    threads: 1,
    timeoutMs: 60_000,
    memoryMib: 256,
    onOutput: () => undefined,
    signal: new AbortController().signal,
  });
  const found: unknown = outcome.exitClass === 'ok' ? JSON.parse(readFileSync(join(home, 'out/probe.json'), 'utf8')) : null;
  console.log(`PROBE ${JSON.stringify({ tier: sandbox.tier, outcome, found })}`);
}

void main();
