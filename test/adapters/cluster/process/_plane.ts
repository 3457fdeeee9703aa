// A control plane in a process of its own, for tests that kill it. Arguments: folder, order as JSON, what to do. It says `ready`, waits for
// a byte on standard input, creates the run, says what it observed, and stays.
import { once } from 'node:events';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import type { RunOrder } from '#core/ports.ts';
import { buildOptions } from './_harness.ts';

const [dir = '', orderText = '{}', mode = 'stay'] = process.argv.slice(2);
const order: RunOrder = JSON.parse(orderText);
const options = buildOptions(dir, []);
const die = () => process.kill(process.pid, 'SIGKILL');
const runner = createProcessRunner({
  ...options,
  command: (given, place) => {
    // Here the order is written, and nothing is started yet.
    if (mode === 'die-before-start') die();
    return options.command(given, place);
  },
});
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdout.write('creating\n');
const created = await runner.create(order);
if (mode === 'die-after-start') die();
process.stdout.write(`${JSON.stringify(created)}\n`);
setInterval(() => undefined, 1000);
