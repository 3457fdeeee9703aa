import test from 'ava';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import { createProcessSandbox, openProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { tryToBreakOut } from '#agent/sandbox/self-test.ts';
import { PYTHON } from '../../_support/python.ts';

test('where nothing gets through generated code is accepted', async (t) => {
  const { sandbox, problems } = await openProcessSandbox(PYTHON);
  t.deepEqual(problems, []);
  t.deepEqual(sandbox.generatedCode, { accepted: true });
  t.is(sandbox.tier, 'isolated');
});

test('a sandbox that nobody has tried accepts none', (t) => {
  t.false(createProcessSandbox(PYTHON).generatedCode.accepted);
});

test('where something gets through generated code is refused, and what it was is said', async (t) => {
  const found = await tryToBreakOut(createProcessSandbox(PYTHON));
  const reason = found.accepted ? '' : found.reason;
  for (const name of [
    'read a file outside',
    'write into the data',
    'make an internet socket',
    'signal another process',
    'make shared memory',
  ]) {
    t.true(reason.includes(name), `${name}: ${reason}`);
  }
});

test('a self-test that could not be carried out is no passed one', async (t) => {
  const broken: Sandbox = {
    ...createProcessSandbox(PYTHON),
    run: async () => ({ exitClass: 'ok', exitCode: 0, seconds: 0, peakMemoryMib: 0, tail: '', frame: null }),
  };
  t.regex(
    JSON.stringify(await tryToBreakOut(broken)),
    /"accepted":false,"reason":"the break-out self-test failed \(it could not be carried out/,
  );
  t.regex(JSON.stringify(await tryToBreakOut(createProcessSandbox('/no/such/python'))), /"accepted":false.*ended as crashed/);
});
