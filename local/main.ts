import { startLocalPlane } from './plane.ts';

/** `npm start`: the control plane kept running, its data in `.data/`. Ctrl-C stops it in stages; attempts go on and are found again. */
async function main(): Promise<void> {
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const plane = await startLocalPlane({ env: process.env, onStep: say });
  process.stdout.write(
    [
      `Kaggle Agent is running.`,
      `  dashboard  ${plane.url}/`,
      `  API docs   ${plane.url}/docs`,
      `  try        npm run kn-kaggle -- submit ames-house-prices --watch`,
      `  stop       Ctrl-C (running attempts go on and are found again)`,
      '',
    ].join('\n'),
  );
  let asked = false;
  const stop = (signal: NodeJS.Signals) => {
    if (asked) process.exit(signal === 'SIGINT' ? 130 : 143);
    asked = true;
    say('stopping …');
    void plane.close().then((clean) => process.exit(clean ? 0 : 1));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
