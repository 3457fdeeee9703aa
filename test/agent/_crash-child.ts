/** An attempt as a process that ends itself by SIGKILL right after its n-th write (events and logs not counted), or stalls in a run. */
import { join } from 'node:path';
import { z } from 'zod';
import { JobSpec } from '#core/job-spec.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { runAgent } from '#agent/run.ts';
import { wrapWrites } from '#agent/storing.ts';
import { createScriptedSandbox, makeAgentParams } from '../_support/agent-parts.ts';

const Order = z.object({ dir: z.string(), spec: JobSpec, killAfterWrite: z.int().nullable(), stallInRun: z.int().nullable() });
const order = Order.parse(JSON.parse(process.env['CRASH_ORDER'] ?? '{}'));
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());

let writes = 0;
const store = wrapWrites(createDirectoryStore({ root: join(order.dir, 'objects'), durable: false }), async ({ key, write }) => {
  const outcome = await write();
  if (!/\/(events|logs)\//.test(key)) writes += 1;
  if (writes === order.killAfterWrite) process.kill(process.pid, 'SIGKILL');
  return outcome;
});
let runs = 0;
const sandbox = createScriptedSandbox(join(order.dir, `runs-${order.spec.attempt}.txt`), async ({ signal }) => {
  runs += 1;
  if (runs !== order.stallInRun) return null;
  process.stdout.write('stalled\n');
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  return { exitClass: 'stopped', exitCode: null, seconds: 0, peakMemoryMib: 0, tail: '', frame: null };
});
const keepAlive = setInterval(() => undefined, 1000);
const exitCode = await runAgent(await makeAgentParams(order.dir, store, { spec: order.spec, sandbox, signal: stop.signal }));
clearInterval(keepAlive);
process.exit(exitCode);
