import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { JobSpec } from '#core/job-spec.ts';
import type { ToyAgent } from '#test/contract/job-runner-harness.ts';

const stay = () => void setInterval(() => undefined, 3_600_000);
const onStop = (act: () => void) => {
  process.once('SIGTERM', act);
  stay();
};

/** Does what the spec's hint says: the toy program of the job runner's contract suite. */
export function runToy(spec: JobSpec, toy: ToyAgent): void {
  const token = readFileSync(process.env['KAGGLE_AGENT_TOKEN_FILE'] ?? '', 'utf8');
  if (token !== `secret-${spec.jobId}`) throw new Error('the token is not the one of the order');
  const code = 'code' in toy ? toy.code : 0;
  const behaviours: Record<ToyAgent['does'], () => void> = {
    exit: () => process.exit(code),
    'work-until-stopped': () => onStop(() => process.kill(process.pid, 'SIGKILL')),
    'save-when-stopped': () => onStop(() => process.exit(75)),
    'finish-when-stopped': () => onStop(() => process.exit(0)),
    'ignore-stop': () => {
      process.on('SIGTERM', () => undefined);
      stay();
    },
    'hog-memory': () => {
      const taken: Buffer[] = [];
      setInterval(() => taken.push(Buffer.alloc(8 * 1024 * 1024, taken.length % 256)), 5);
    },
    'leave-process-behind': () => {
      spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' }).unref();
      process.exit(code);
    },
  };
  behaviours[toy.does]();
  console.log('ready');
}
