import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { harnessEnvironment, HarnessError, startHarness } from '#agent/evaluate/harness-client.ts';
import { makeFolder } from '#test/agent/python/_harness.ts';
import { PYTHON } from '#test/_support/python.ts';
import { waitUntil } from '#test/_support/wait-until.ts';

const options = { python: PYTHON, threads: 1, env: { PATH: process.env['PATH'] } };

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('hello tells versions, and calls answer in order', async (t) => {
  await using harness = startHarness(options);
  const replies = await Promise.all([harness.hello({}), harness.call('hello', {}), harness.hello({})]);
  t.regex(replies[0]?.python ?? '', /^3\.\d+/);
  t.truthy(replies[0]?.packages['numpy']);
  t.true(replies.every((reply) => reply.pid === harness.pid));
});

test('closing ends the process', async (t) => {
  const harness = startHarness(options);
  await harness.hello({});
  await harness.close();
  t.false(isAlive(harness.pid));
  const error = await t.throwsAsync(harness.hello({}), { instanceOf: HarnessError });
  t.is(error?.code, 'died');
});

test('a process that dies rejects everything that waits, and says how it ended', async (t) => {
  const harness = startHarness(options);
  t.teardown(() => harness.close());
  await harness.hello({});
  process.kill(harness.pid, 'SIGSTOP');
  const waiting = [harness.hello({}), harness.baseline({})];
  process.kill(harness.pid, 'SIGKILL');
  for (const call of waiting) {
    const error = await t.throwsAsync(call, { instanceOf: HarnessError, message: /was killed by SIGKILL/ });
    t.is(error?.code, 'died');
    t.is(error?.kind, 'died');
  }
  await t.throwsAsync(harness.hello({}), { message: /killed by SIGKILL/ });
});

test('a call that takes too long is given up and the whole process group is killed', async (t) => {
  const harness = startHarness(options);
  t.teardown(() => harness.close());
  await harness.hello({});
  process.kill(harness.pid, 'SIGSTOP');
  const error = await t.throwsAsync(harness.call('hello', {}, { timeoutMs: 50 }), {
    instanceOf: HarnessError,
    message: /hello took longer than/,
  });
  t.is(error?.code, 'timeout');
  await waitUntil('the harness is gone', () => !isAlive(harness.pid));
  t.pass();
});

test('an abort kills the process', async (t) => {
  const stop = new AbortController();
  const harness = startHarness({ ...options, signal: stop.signal });
  await harness.hello({});
  stop.abort();
  await waitUntil('the harness is gone', () => !isAlive(harness.pid));
  await t.throwsAsync(harness.hello({}), { instanceOf: HarnessError });
});

test('an interpreter that is not there is named', async (t) => {
  const harness = startHarness({ ...options, python: '/nowhere/python' });
  await t.throwsAsync(harness.hello({}), { instanceOf: HarnessError, message: /could not start.*\/nowhere\/python/ });
  await harness.close();
});

test('wrong parameters and wrong replies do not pass', async (t) => {
  await using harness = startHarness(options);
  // @ts-expect-error: a text where a number belongs
  const refused = await t.throwsAsync(harness.finishSolution({ solution: 'one' }), { instanceOf: HarnessError });
  t.is(refused?.code, 'refused');
  const folder = await makeFolder(t);
  const liar = join(folder, 'python');
  await writeFile(
    liar,
    '#!/bin/sh\nread line\necho "not json"\necho \'{"id":99,"result":{}}\'\necho \'{"id":1,"result":{"python":3}}\'\nread line\n',
  );
  await chmod(liar, 0o755);
  const lines: string[] = [];
  await using fake = startHarness({ ...options, python: liar, onLog: (line) => lines.push(line) });
  const bug = await t.throwsAsync(fake.hello({}), { instanceOf: HarnessError, message: /unexpected reply: python/ });
  t.is(bug?.code, 'bug');
  t.deepEqual(lines, ['unreadable reply: not json', 'reply to an unknown request 99']);
});

test('what the harness writes to stderr is passed on in short lines, and the flood is cut', async (t) => {
  const folder = await makeFolder(t);
  const loud = join(folder, 'python');
  await writeFile(loud, `#!/bin/sh\nhead -c 5000 /dev/zero | tr '\\0' x >&2\necho >&2\nseq 5000 >&2\nexit 3\n`);
  await chmod(loud, 0o755);
  const lines: string[] = [];
  const harness = startHarness({ ...options, python: loud, onLog: (line) => lines.push(line) });
  await t.throwsAsync(harness.hello({}), { message: /ended with code 3: 5000/ });
  t.is(lines[0]?.length, 2000);
  t.is(lines.length, 2001);
  await harness.close();
});

test('only named variables reach the harness', (t) => {
  const env = harnessEnvironment({ PATH: '/bin', KAGGLE_KEY: 'secret', ANTHROPIC_API_KEY: 'secret', LANG: 'de_DE' }, 2);
  t.false(JSON.stringify(env).includes('secret'));
  t.like(env, { PATH: '/bin', LANG: 'de_DE', OMP_NUM_THREADS: '2' });
});
