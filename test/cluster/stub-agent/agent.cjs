// Does what the spec's hint says: see ToyAgent in test/contract/job-runner-harness.ts.
const { spawn } = require('node:child_process');
const { readFileSync } = require('node:fs');

const spec = JSON.parse(readFileSync(process.env.KAGGLE_AGENT_SPEC_FILE, 'utf8'));
const token = readFileSync(process.env.KAGGLE_AGENT_TOKEN_FILE, 'utf8');
if (token !== `secret-${spec.jobId}`) throw new Error('the token is not the one of the order');
const toy = JSON.parse(spec.hint);
const stay = () => setInterval(() => undefined, 3_600_000);

const behaviours = {
  exit: () => process.exit(toy.code),
  'work-until-stopped': () => {
    process.once('SIGTERM', () => process.kill(process.pid, 'SIGKILL'));
    stay();
  },
  'save-when-stopped': () => {
    process.once('SIGTERM', () => process.exit(75));
    stay();
  },
  'finish-when-stopped': () => {
    process.once('SIGTERM', () => process.exit(0));
    stay();
  },
  'ignore-stop': () => {
    process.on('SIGTERM', () => undefined);
    stay();
  },
  'hog-memory': () => {
    const taken = [];
    setInterval(() => taken.push(Buffer.alloc(8 * 1024 * 1024, taken.length % 256)), 5);
  },
  'leave-process-behind': () => {
    spawn('sleep', ['3600'], { detached: true, stdio: 'ignore' }).unref();
    process.exit(toy.code);
  },
};
behaviours[toy.does]();
console.log('ready');
