import { connect } from 'node:net';
import { once } from 'node:events';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { createRunnerSandbox } from '#agent/sandbox/runner-sandbox.ts';
import { isAlive, makeOrder, makePlace, startRunner, waitForSocket } from './_runner.ts';
import type { Place } from './_runner.ts';
import { RUNNER_PROTOCOL } from '#agent/runner/protocol.ts';
import { waitUntil } from '../../_support/wait-until.ts';

const SLEEPER = 'import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(300)';

test('a run through the runner gives its output as it comes, its files and its outcome', async (t) => {
  const place = await makePlace(t);
  startRunner(t, place);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  const order = await makeOrder(
    place,
    'import sys\nprint("hello")\nopen(sys.argv[sys.argv.index("--out") + 1] + "/scores.csv", "w").write("1")',
  );
  const outcome = await sandbox.run(order);
  t.is(outcome.exitClass, 'ok', outcome.tail);
  t.is(order.output(), 'hello\n');
  t.is(await readFile(join(order.outDir, 'scores.csv'), 'utf8'), '1');
  t.is((await stat(place.socketPath)).mode & 0o777, 0o660);
  const failed = await sandbox.run(await makeOrder(place, 'raise ValueError("no rows")'));
  t.is(failed.exitClass, 'crashed');
  t.regex(failed.tail, /no rows/);
  const slow = await sandbox.run(await makeOrder(place, 'import time\ntime.sleep(300)', { timeoutMs: 500 }));
  t.is(slow.exitClass, 'timeout');
  const fat = await sandbox.run(await makeOrder(place, 'import time\nx = bytearray(400 << 20)\ntime.sleep(300)', { memoryMib: 150 }));
  t.is(fat.exitClass, 'oom');
});

test('several runs go at a time, and a stopped one ends at once with all that it started', async (t) => {
  const place = await makePlace(t);
  startRunner(t, place);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  const stop = new AbortController();
  const orders = await Promise.all([0, 1].map(() => makeOrder(place, SLEEPER, { signal: stop.signal })));
  const running = orders.map((order) => sandbox.run(order));
  const pids = await Promise.all(orders.map((order) => waitUntil('a start', () => Number(order.output()) || null, 90_000)));
  t.true(pids.every(isAlive));
  stop.abort();
  for (const outcome of await Promise.all(running)) t.is(outcome.exitClass, 'stopped');
  for (const pid of pids) await waitUntil('its end', () => !isAlive(pid), 5_000);
});

test('a connection that closes ends its run', async (t) => {
  const place = await makePlace(t);
  startRunner(t, place);
  await waitForSocket(place);
  const { home, program, trainDir, predictDir, outDir, scratchDir, paramsFile } = await makeOrder(
    place,
    'import os, time\nopen("pid", "w").write(str(os.getpid()))\ntime.sleep(300)',
  );
  const socket = connect(place.socketPath);
  await once(socket, 'data');
  const limits = { seed: 1, threads: 1, timeoutMs: 60_000, memoryMib: 500 };
  const order = { program, trainDir, predictDir, outDir, scratchDir, paramsFile, answers: [], ...limits };
  socket.write(`${JSON.stringify({ type: 'run', order })}\n`);
  const pid = await waitUntil(
    'a start',
    async () => Number(await readFile(join(home, 'scratch', 'pid'), 'utf8').catch(() => '')) || null,
    90_000,
  );
  socket.destroy();
  t.true(await waitUntil('its end', () => !isAlive(pid), 5_000));
});

test('SIGTERM ends the runner and its runs at once, also runs that ignore it', async (t) => {
  const place = await makePlace(t);
  const runner = startRunner(t, place);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  const order = await makeOrder(place, `import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n${SLEEPER}`);
  const running = sandbox.run(order);
  const pid = await waitUntil('a start', () => Number(order.output()) || null, 90_000);
  const startMs = performance.now();
  process.kill(runner.pid, 'SIGTERM');
  t.deepEqual((await runner.ended).slice(0, 2), [0, null]);
  t.true(performance.now() - startMs < 5_000, 'a Job waits for this');
  const outcome = await running;
  t.is(outcome.exitClass, 'killed');
  t.regex(outcome.tail, /the runner container ended in the middle of the run/);
  await waitUntil('its end', () => !isAlive(pid), 5_000);
});

test('a runner that is killed fails the run that it had; the next run finds the new runner, which removed the stale socket', async (t) => {
  const place = await makePlace(t);
  const first = startRunner(t, place);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  const order = await makeOrder(place, SLEEPER);
  const running = sandbox.run(order);
  const pid = await waitUntil('a start', () => Number(order.output()) || null, 90_000);
  process.kill(first.pid, 'SIGKILL');
  t.is((await running).exitClass, 'killed');
  await waitUntil('its end', () => !isAlive(pid), 5_000);
  const next = sandbox.run(await makeOrder(place, 'print("again")'));
  startRunner(t, place);
  t.is((await next).exitClass, 'ok');
});

test('a runner that never comes is said in one sentence', async (t) => {
  const { socketPath } = await makePlace(t);
  await t.throwsAsync(createRunnerSandbox({ socketPath, appearTimeoutMs: 300 }), {
    message: /The runner container did not answer on .*runner\.sock within 0 s \(ENOENT\): see its log/,
  });
});

test('without a filter on the network the runner says so, and is no isolation', async (t) => {
  const place = await makePlace(t);
  startRunner(t, place, []);
  const notes: string[] = [];
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath, onNote: (line) => notes.push(line) });
  t.is(sandbox.tier, 'process');
  t.regex(notes.join(), /this container has a network/);
});

const REFUSALS: readonly [title: string, change: (place: Place, home: string) => Promise<object>, reason: RegExp][] = [
  ['a program elsewhere', async () => ({ program: '/bin/ls' }), /program leads to a place/],
  ['a folder elsewhere', async () => ({ outDir: '/tmp' }), /outDir leads to a place/],
  ['a way up', async (place) => ({ scratchDir: `${place.runsDir}/..` }), /scratchDir leads to a place/],
  ['a file as folder', async (_, home) => ({ trainDir: join(home, 'params.json') }), /trainDir is no folder/],
  ['a missing file', async (_, home) => ({ paramsFile: join(home, 'none.json') }), /paramsFile is not there/],
  [
    'a link that leads out',
    async (place, home) => {
      await symlink(place.dir, join(home, 'way-out'));
      return { trainDir: join(home, 'way-out') };
    },
    /trainDir leads to a place/,
  ],
];
for (const [title, change, reason] of REFUSALS) {
  test(`the runner refuses ${title}`, async (t) => {
    const place = await makePlace(t);
    startRunner(t, place);
    const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
    const order = await makeOrder(place, 'print(1)');
    await t.throwsAsync(sandbox.run({ ...order, ...(await change(place, order.home)) }), { message: reason });
  });
}

test('messages that are no order, too long, or a second one are refused, and the runner goes on', async (t) => {
  const place = await makePlace(t);
  const runner = startRunner(t, place);
  await waitForSocket(place);
  for (const text of ['not json\n', '{"type":"run"}\n', '{"type":"run","order":{"program":"x"}}\n', 'x'.repeat(70_000)]) {
    const socket = connect(place.socketPath);
    let received = '';
    socket.on('data', (chunk) => (received += chunk.toString('utf8')));
    socket.on('error', () => undefined);
    socket.write(text);
    await once(socket, 'close');
    t.regex(received, /"type":"refused","reason":"a message is (wrong in|longer than)/);
  }
  t.regex(runner.output(), /refused/);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  t.is((await sandbox.run(await makeOrder(place, 'print(1)'))).exitClass, 'ok');
});

test('a runner that talks nonsense is a killed run, not a broken agent', async (t) => {
  const place = await makePlace(t);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(
      `${JSON.stringify({ type: 'hello', protocol: RUNNER_PROTOCOL, confined: true, problems: [], layers: [], generatedCode: { accepted: true } })}\n`,
    );
    socket.once('data', () => socket.write('{"type":"outcome","outcome":{"exitClass":"best"}}\n'));
  });
  await new Promise<void>((resolve) => server.listen(place.socketPath, resolve));
  t.teardown(() => server.close());
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  const outcome = await sandbox.run(await makeOrder(place, ''));
  t.is(outcome.exitClass, 'killed');
  t.regex(outcome.tail, /a message is wrong in/);
});

test('a stale file in the way of the socket is removed at the start', async (t) => {
  const place = await makePlace(t);
  await writeFile(place.socketPath, 'stale');
  await mkdir(join(place.dir, 'other'));
  startRunner(t, place);
  const sandbox = await createRunnerSandbox({ socketPath: place.socketPath });
  t.is((await sandbox.run(await makeOrder(place, 'print(1)'))).exitClass, 'ok');
});
